// What a test of the page starts: a broker, the bridge, a static server; and what it reads back. Everything ends with the test.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import { connect, createServer as createTcpServer } from "node:net";
import { readFile } from "node:fs/promises";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const here = fileURLToPath(new URL(".", import.meta.url));
const KURIER = process.env.KURIER ?? join(here, "../../target/debug/kurier");

/** Starts the `kurier` command and waits for the address that it says. */
export async function kurier(t, ...words) {
  const child = spawn(KURIER, words, { stdio: ["ignore", "pipe", "inherit"] });
  const stop = () => {
    if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    return ended;
  };
  t.after(stop);
  const address = await new Promise((resolve, reject) => {
    let said = "";
    child.stdout.on("data", (data) => {
      said += data;
      const found = /listening on (?:wss?:\/\/)?(\S+)/.exec(said);
      if (found) resolve(found[1]);
    });
    child.once("exit", (code) => reject(new Error(`kurier ${words[0]} ended with ${code}: ${said}`)));
    child.once("error", reject);
  });
  return { address, stop, pid: child.pid };
}

/** A real cluster's topics of 3 partitions that nobody has written to, if there is one: one for each test. */
const topics = process.env.KURIER_PAGE_TOPICS?.split(",");

/** A broker with a topic, or the real cluster. */
export async function cluster(t) {
  if (topics !== undefined) return { bootstrap: process.env.KURIER_PAGE_KAFKA, topic: topics.shift() };
  const { address } = await kurier(t, "broker", "--listen", "127.0.0.1:0", "--topic", "clicks:3");
  return { bootstrap: address, topic: "clicks" };
}

/** A bridge to the cluster, for topics `clicks*`. */
export function bridge(t, { bootstrap }, ...words) {
  const listen = words.includes("--listen") ? [] : ["--listen", "127.0.0.1:0"];
  return kurier(t, "bridge", "--bootstrap", bootstrap, "--allow-topic", "clicks*", ...listen, ...words);
}

/** Debian's websockify to one broker. It takes no port of its own choosing. */
export async function proxy(t, broker) {
  const free = createTcpServer().listen(0, "127.0.0.1");
  await once(free, "listening");
  const { port } = free.address();
  await new Promise((resolve) => free.close(resolve));
  const child = spawn("websockify", [`127.0.0.1:${port}`, broker], { stdio: "ignore" });
  t.after(() => child.kill("SIGKILL"));
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const is = await Promise.race([once(socket, "connect").then(() => true), once(socket, "error").then(() => false)])
      .catch(() => false);
    socket.destroy();
    if (is) return { port, pid: child.pid };
    if (child.exitCode !== null) throw new Error(`websockify ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const TYPES = { ".js": "text/javascript", ".mjs": "text/javascript", ".html": "text/html", ".wasm": "application/wasm" };

/** The directives that a page needs, and no more. */
export const POLICY = "default-src 'none'; img-src data:; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ws://127.0.0.1:*; worker-src 'self'";

/** Serves the package under /kurier/ and this folder under /. */
export async function pages(t) {
  const server = createServer(async ({ url }, answer) => {
    const path = normalize(decodeURIComponent(new URL(url, "http://x").pathname));
    const file = path.startsWith("/kurier/")
      ? join(here, "../../wasm", path.slice("/kurier/".length))
      : join(here, "site", path);
    try {
      const body = await readFile(file);
      answer.writeHead(200, {
        "content-type": TYPES[extname(file)] ?? "application/octet-stream",
        "content-security-policy": POLICY,
      });
      answer.end(body);
    } catch {
      answer.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${server.address().port}`;
}

const run = promisify(execFile);

/** All records of a topic, as kcat reads them: partition, offset, key, value and headers as text, or as bytes by the encoding `latin1`. */
export async function log({ bootstrap, topic }, encoding = "utf8") {
  const words = ["-C", "-b", bootstrap, "-t", topic, "-e", "-q", "-o", "beginning", "-f", "%p\t%o\t%k\t%s\t%h\n"];
  const { stdout } = await run("kcat", words, { maxBuffer: 1 << 28, encoding });
  const records = stdout.split("\n").slice(0, -1).map((line) => {
    const [partition, offset, key, value, headers] = line.split("\t");
    return { partition: Number(partition), offset: Number(offset), key, value, headers };
  });
  return records.sort((a, b) => a.partition - b.partition || a.offset - b.offset);
}

/** The bytes of the only record of a topic. */
export async function onlyValue({ bootstrap, topic }) {
  const words = ["-C", "-b", bootstrap, "-t", topic, "-e", "-q", "-o", "beginning", "-f", "%s"];
  const { stdout } = await run("kcat", words, { encoding: "buffer" });
  return stdout;
}
