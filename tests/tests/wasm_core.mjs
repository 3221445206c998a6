// Runs the core as a WebAssembly module: `node wasm_core.mjs MODULE RECORDS PIECE` prints one JSON object.
import { readFile } from 'node:fs/promises';

const [file, records, piece] = process.argv.slice(2);
const module = await WebAssembly.compile(await readFile(file));
const imports = WebAssembly.Module.imports(module);
if (imports.length > 0) throw new Error(`the module wants ${JSON.stringify(imports)}`);
const { exports } = await WebAssembly.instantiate(module);
const at = exports.kurier_run(Number(records), Number(piece));
const [delivered, failed, logged, requests, turns, status] = new Uint32Array(exports.memory.buffer, at, 6);
const bits = exports.kurier_pointer_bits();
console.log(JSON.stringify({ delivered, failed, logged, requests, turns, status, bits }));
