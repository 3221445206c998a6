// What is published: its files, its types, its size.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

const run = promisify(execFile);
const here = fileURLToPath(new URL(".", import.meta.url));
const folder = join(here, "../../wasm");

test("the package holds what a page needs and nothing else", async () => {
  const { stdout } = await run("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: folder });
  const files = JSON.parse(stdout)[0].files.map(({ path }) => path).sort();
  assert.deepEqual(files, [
    "LICENSE-APACHE", "LICENSE-MIT", "README.md", "generated/kurier_wasm.js", "generated/kurier_wasm_bg.wasm",
    "js/errors.js", "js/kurier.d.ts", "js/kurier.js", "js/options.js", "js/page.js", "js/record.js", "package.json",
  ]);
});

test("the types fit an example that uses all of them", { timeout: 60_000 }, async () => {
  const tsc = join(here, "node_modules/typescript/bin/tsc");
  await run(process.execPath, [tsc, "--project", join(here, "types")]).catch(({ stdout }) => assert.fail(stdout));
});

test("module and JavaScript are at most 60 KB, compressed", async (t) => {
  const names = ["generated/kurier_wasm_bg.wasm", "generated/kurier_wasm.js", ...["errors", "kurier", "options", "page", "record"].map((name) => `js/${name}.js`)];
  let total = 0;
  for (const name of names) {
    const bytes = await readFile(join(folder, name));
    const size = gzipSync(bytes, { level: 9 }).length;
    total += size;
    t.diagnostic(`${name}: ${bytes.length} bytes, ${size} with gzip`);
  }
  t.diagnostic(`all: ${total} with gzip`);
  assert.ok(total <= 60_000, `${total}`);
});
