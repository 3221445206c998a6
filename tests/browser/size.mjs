// What a page loads, bundled by esbuild as a site would: the module and its JavaScript, and clients of other brokers.
// Run by itself it prints bytes as one flat JSON object; peers are told of when `peers/` has them.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { build } from "esbuild";

const here = fileURLToPath(new URL(".", import.meta.url));
const folder = join(here, "../../wasm");

/** Bytes of a file as it is sent. */
function sizes(bytes) {
  return { raw: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length, brotli: brotliCompressSync(bytes).length };
}

async function bundle(options) {
  const { outputFiles } = await build({ bundle: true, minify: true, format: "esm", platform: "browser", write: false, ...options });
  return sizes(outputFiles[0].contents);
}

/** Sizes of the module and of the bundled JavaScript. */
export async function parts() {
  return {
    module: sizes(await readFile(join(folder, "generated/kurier_wasm_bg.wasm"))),
    javascript: await bundle({ entryPoints: [join(folder, "js/kurier.js")] }),
  };
}

/** Sizes of a package, with all that it exports. */
function peer(name) {
  return bundle({ stdin: { contents: `export * as all from "${name}";`, resolveDir: join(here, "peers") } });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { module, javascript } = await parts();
  const found = {};
  for (const how of ["raw", "gzip", "brotli"]) {
    found[`wasm.${how}`] = module[how] + javascript[how];
    found[`wasm.module.${how}`] = module[how];
    found[`wasm.javascript.${how}`] = javascript[how];
  }
  if (existsSync(join(here, "peers/node_modules"))) {
    for (const name of ["@nats-io/nats-core", "mqtt"]) {
      for (const [how, bytes] of Object.entries(await peer(name))) found[`page.peer.${name.split("/").pop()}.${how}`] = bytes;
    }
  }
  console.log(JSON.stringify(found));
}
