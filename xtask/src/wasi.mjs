// Runs a module of the target wasm32-wasip1 as a program: `node wasi.mjs MODULE [ARGUMENT...]`. It sees no files.
import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const [path, ...words] = process.argv.slice(2);
const wasi = new WASI({ version: "preview1", args: [path, ...words], env: process.env, returnOnExit: true });
const { instance } = await WebAssembly.instantiate(await readFile(path), wasi.getImportObject());
process.exitCode = wasi.start(instance);
