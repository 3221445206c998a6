// What is published: its files, its types, its size.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { parts } from "./size.mjs";

const run = promisify(execFile);
const here = fileURLToPath(new URL(".", import.meta.url));
const folder = join(here, "../../wasm");

test("the package holds what a page needs and nothing else", async () => {
  const { stdout } = await run("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], { cwd: folder });
  const files = JSON.parse(stdout)[0].files.map(({ path }) => path).sort();
  assert.deepEqual(files, [
    "LICENSE-APACHE", "LICENSE-MIT", "README.md", "generated/kurier_wasm.js", "generated/kurier_wasm_bg.wasm",
    "js/errors.js", "js/kurier.d.ts", "js/kurier.js", "js/options.js", "js/page.js", "js/record.js", "js/waiting.js", "package.json",
  ]);
});

const tsc = (project) =>
  run(process.execPath, [join(here, "node_modules/typescript/bin/tsc"), "--project", join(here, "types", project)])
    .catch(({ stdout }) => assert.fail(stdout));

test("the types fit an example that uses all of them", { timeout: 60_000 }, () => tsc("tsconfig.json"));

test("the types do without those of a page, as in a Node project", { timeout: 60_000 }, () => tsc("node.json"));

/** The names in a part of a file, in alphabetical order. */
async function names(path, from, to, name) {
  const text = await readFile(path, "utf8");
  const start = text.indexOf(from) + from.length;
  assert.ok(start >= from.length, `${from} in ${path}`);
  return [...text.slice(start, text.indexOf(to, start)).matchAll(name)].map(([, found]) => found).sort();
}

test("the types and their example have every option there is, and no other", async () => {
  const declared = await names(join(folder, "js/kurier.d.ts"), "interface ConnectOptions {", "\n}", /^ {2}(\w+)\??:/gm);
  const known = await names(join(folder, "js/options.js"), "const NUMBERS = [", "const KNOWN", /"(\w+)"/g);
  assert.deepEqual(declared, known);
  const used = await names(join(here, "types/example.ts"), "const options: ConnectOptions = {", "\n};", /^ {2}(\w+):/gm);
  assert.deepEqual(used, known);
  const counted = await names(join(folder, "js/kurier.d.ts"), "interface Metrics {", "\n}", /^ {2}(\w+):/gm);
  const given = await names(join(folder, "js/kurier.js"), "const METRICS = [", "];", /"(\w+)"/g);
  assert.deepEqual(counted, [...given, "acknowledged", "failed", "waiting"].sort());
});

test("bundled by esbuild, module and JavaScript are at most 60 KB with gzip", { timeout: 60_000 }, async (t) => {
  const { module, javascript } = await parts();
  const total = module.gzip + javascript.gzip;
  t.diagnostic(`with gzip: module ${module.gzip} bytes, JavaScript ${javascript.gzip}, all ${total}`);
  assert.ok(total <= 60_000, `${total}`);
});
