// Serves the demo on loopback: `node serve.mjs [PORT]`. Any static server does; this one has the policy that a page needs.
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const top = fileURLToPath(new URL("..", import.meta.url));
const TYPES = { ".js": "text/javascript", ".html": "text/html", ".css": "text/css", ".wasm": "application/wasm" };
const POLICY = "default-src 'none'; style-src 'self'; img-src data:; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ws: wss:";

const server = createServer(async ({ url }, answer) => {
  const path = normalize(decodeURIComponent(new URL(url, "http://x").pathname)).replace(/\/$/, "/index.html");
  try {
    // Nothing but the package and the demo.
    if (!/^\/(demo|js|generated)\/[\w.-]+$/.test(path)) throw new Error("not found");
    const body = await readFile(join(top, path));
    answer.writeHead(200, { "content-type": TYPES[extname(path)] ?? "application/octet-stream", "content-security-policy": POLICY });
    answer.end(body);
  } catch {
    answer.writeHead(404).end();
  }
});
server.listen(Number(process.argv[2] ?? 0), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/demo/`));
