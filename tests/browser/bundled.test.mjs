// The package as it is published, in a site that is bundled: by Vite for production and in development, and by esbuild.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { build as bundle } from "esbuild";
import { build, createServer, preview } from "vite";
import { chromium } from "./chromium.mjs";
import { stage } from "./page.mjs";
import { log } from "./servers.mjs";

const LIMIT = { timeout: 120_000 };
const run = promisify(execFile);
const folder = fileURLToPath(new URL("../../wasm", import.meta.url));
const PAGE = '<!doctype html><html lang="en"><meta charset="utf-8"><title>site</title><link rel="icon" href="data:,"><script type="module" src="/main.js"></script></html>';
const MAIN = `import { KafkaProducer, KurierError } from "kurier-wasm";
const words = new URLSearchParams(location.search);
try {
  const producer = await KafkaProducer.connect({ bridge: words.get("bridge"), bootstrap: words.get("bootstrap"), ...globalThis.more });
  const places = await Promise.all(Array.from({ length: 100 }, (_, n) => producer.send(words.get("topic"), \`v\${n}\`)));
  await producer.close();
  document.title = \`\${places.length} sent, \${new KurierError("A", "b").code}\`;
} catch (error) {
  document.title = String(error);
}
`;

let browser;
before(async () => {
  browser = await chromium();
});
after(() => browser?.end());

/** A site that has installed the package. */
async function site(t) {
  const root = await mkdtemp(join(tmpdir(), "kurier-site-"));
  t.after(() => rm(root, { recursive: true, maxRetries: 5 }));
  const { stdout } = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", root], { cwd: folder });
  const installed = join(root, "node_modules/kurier-wasm");
  await mkdir(installed, { recursive: true });
  await run("tar", ["-xzf", join(root, JSON.parse(stdout)[0].filename), "--strip-components=1", "-C", installed]);
  await writeFile(join(root, "index.html"), PAGE);
  await writeFile(join(root, "main.js"), MAIN);
  await writeFile(join(root, "package.json"), '{ "private": true, "type": "module" }');
  return root;
}

/** The page at `origin` sends its records, without a word on its console. */
async function sends(t, origin, more = {}) {
  const { kafka, options } = await stage(t);
  const tab = await browser.context.newPage();
  const said = [];
  tab.on("console", (message) => message.type() !== "debug" && said.push(message.text()));
  tab.on("pageerror", (error) => said.push(String(error)));
  await tab.addInitScript((more) => (globalThis.more = more), more);
  await tab.goto(`${origin}/?${new URLSearchParams({ ...options, topic: kafka.topic })}`);
  while ((await tab.title()) === "site" && said.length === 0) await tab.waitForTimeout(50);
  assert.equal(await tab.title(), "100 sent, A");
  assert.deepEqual(said, []);
  await tab.close();
  assert.equal((await log(kafka)).length, 100);
}

const quiet = { configFile: false, logLevel: "error", clearScreen: false };
const server = { host: "127.0.0.1", port: 0 };

test("Vite builds a site with it for production", LIMIT, async (t) => {
  const root = await site(t);
  await build({ ...quiet, root });
  const served = await preview({ ...quiet, root, preview: server });
  t.after(() => served.close());
  await sends(t, `http://127.0.0.1:${served.httpServer.address().port}`);
});

test("Vite serves a site with it in development", LIMIT, async (t) => {
  const root = await site(t);
  const vite = await createServer({ ...quiet, root, server });
  t.after(() => vite.close());
  await vite.listen();
  await sends(t, `http://127.0.0.1:${vite.httpServer.address().port}`);
});

test("esbuild bundles a site with it, beside which the module is put", LIMIT, async (t) => {
  const root = await site(t);
  // Its own way for files that a program refers to.
  await writeFile(join(root, "main.js"), `import wasm from "kurier-wasm/module.wasm";\nglobalThis.more = { wasm };\n${MAIN}`);
  const out = join(root, "dist");
  await bundle({
    entryPoints: [join(root, "main.js")], bundle: true, minify: true, format: "esm", outdir: out, publicPath: "/",
    loader: { ".wasm": "file" }, logLevel: "error",
  });
  await writeFile(join(out, "index.html"), PAGE);
  const served = await preview({ ...quiet, root, preview: server });
  t.after(() => served.close());
  await sends(t, `http://127.0.0.1:${served.httpServer.address().port}`);
});
