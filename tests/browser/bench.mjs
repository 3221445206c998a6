// What producing costs a page: rate, latency, the main thread's time, and the same page through websockify in the same run.
// Run by itself it prints a table, with `--json` one flat object. Each way is tried several times, in turn; the figures are
// medians. `cargo xtask bench --web` builds all that it needs.
import { readFile } from "node:fs/promises";
import { WebSocket } from "ws";
import { chromium } from "./chromium.mjs";
import { bridge, kurier, pages, proxy } from "./servers.mjs";
import { until } from "./page.mjs";

const RUNS = 3;
const FLAT_OUT = { count: 100_000, size: 100, window: 5000 };
const PACED = { seconds: 10, rate: 1000, size: 100 };
/** Linux counts a process's time in these for a second, wherever Chromium runs. */
const TICKS = 100;

const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

/** Processor seconds of a process and its children, those that have ended included. */
async function processorSeconds(pid) {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (stat === undefined) return 0;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ").map(Number);
  const own = (fields[11] + fields[12] + fields[13] + fields[14]) / TICKS;
  const children = await Promise.all((await childrenOf(pid)).map(processorSeconds));
  return children.reduce((sum, child) => sum + child, own);
}

async function childrenOf(pid) {
  const said = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8").catch(() => "");
  return said.split(" ").filter(Boolean).map(Number);
}

/** Bytes that a process and its children keep in memory; what several share counts for each a part. */
async function memoryOf(pid) {
  const said = await readFile(`/proc/${pid}/smaps_rollup`, "utf8").catch(() => "");
  const own = Number(/^Pss:\s+(\d+)/m.exec(said)?.[1] ?? 0) * 1024;
  const children = await Promise.all((await childrenOf(pid)).map(memoryOf));
  return children.reduce((sum, child) => sum + child, own);
}

/** Runs in the page: as many as it can, with so many under way. */
async function flatOut([options, topic, { count, size, window }]) {
  const producer = await kurier.KafkaProducer.connect(options);
  const value = new Uint8Array(size).fill(120);
  await producer.send(topic, value);
  const started = performance.now();
  let [sent, open] = [0, 0];
  await new Promise((resolve, reject) => {
    const more = () => {
      open--;
      if (open <= window / 2) fill();
    };
    const fill = () => {
      for (; open < window && sent < count; open++, sent++) producer.send(topic, value).then(more, reject);
      if (open === 0 && sent === count) resolve();
    };
    fill();
  });
  const seconds = (performance.now() - started) / 1000;
  await producer.close();
  return { records: count, seconds };
}

/** Runs in the page: a steady stream, as telemetry is. */
async function paced([options, topic, { seconds, rate, size }]) {
  const producer = await kurier.KafkaProducer.connect(options);
  const value = new Uint8Array(size).fill(120);
  await producer.send(topic, value);
  const long = [];
  const observer = new PerformanceObserver((list) => long.push(...list.getEntries().map(({ duration }) => duration)));
  observer.observe({ type: "longtask" });
  const [latencies, open] = [[], []];
  const [started, count] = [performance.now(), seconds * rate];
  for (let n = 0; n < count; ) {
    const due = Math.min(count, ((performance.now() - started) / 1000) * rate);
    for (; n < due; n++) {
      const at = performance.now();
      open.push(producer.send(topic, value).then(() => latencies.push(performance.now() - at)));
    }
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
  await Promise.all(open);
  long.push(...observer.takeRecords().map(({ duration }) => duration));
  observer.disconnect();
  await producer.close();
  latencies.sort((a, b) => a - b);
  const at = (share) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
  return { records: count, p50: at(0.5), p99: at(0.99), longest: Math.max(0, ...long), long: long.length };
}

/** One page's work, with what its main thread and the proxy had to do for it. */
async function measured(context, origin, work, options, pid, scale) {
  const page = await context.newPage();
  await page.goto(`${origin}/page.html`);
  await until(page, () => globalThis.kurier !== undefined);
  const devtools = await context.newCDPSession(page);
  await devtools.send("Performance.enable");
  const busy = async () => {
    const { metrics } = await devtools.send("Performance.getMetrics");
    return metrics.find(({ name }) => name === "TaskDuration").value;
  };
  const before = [await busy(), await processorSeconds(pid)];
  const found = await page.evaluate(work, [options, "clicks", scale]);
  const after = [await busy(), await processorSeconds(pid)];
  await page.close();
  found.main = ((after[0] - before[0]) * 1e6) / found.records;
  found.proxy = ((after[1] - before[1]) * 1e6) / found.records;
  return found;
}

/** Bytes for 1000 connections that are open and say nothing. */
async function idle(pid, address, count) {
  const before = await memoryOf(pid);
  const sockets = [];
  for (let n = 0; n < count; n++) {
    const socket = new WebSocket(address);
    socket.on("error", () => {});
    await new Promise((resolve, reject) => socket.once("open", resolve).once("close", reject));
    sockets.push(socket);
  }
  await new Promise((resolve) => setTimeout(resolve, 500));
  const after = await memoryOf(pid);
  sockets.forEach((socket) => socket.terminate());
  return ((after - before) / count) * 1000;
}

/** Both ways to the same broker. */
async function run(t) {
  const broker = await kurier(t, "broker", "--listen", "127.0.0.1:0", "--topic", "clicks:3");
  const kafka = { bootstrap: broker.address };
  const limits = ["--max-connections", "2000", "--max-connections-per-client", "2000"];
  const own = await bridge(t, kafka, ...limits, "--max-requests-per-second", "100000");
  const other = await proxy(t, kafka.bootstrap);
  const ways = {
    bridge: { pid: own.pid, bridge: `ws://${own.address}`, idle: 1000 },
    // A process for each: 1000 of them are more than the figure is worth.
    websockify: { pid: other.pid, bridge: `ws://127.0.0.1:${other.port}/{host}/{port}`, idle: 100 },
  };
  const browser = await chromium();
  t.after(browser.end);
  const origin = await pages(t);
  const found = {};
  const put = (name, value) => (found[name] ??= []).push(value);
  for (let n = 0; n < RUNS; n++) {
    for (const [name, { pid, bridge }] of Object.entries(ways)) {
      const options = { bridge, bootstrap: kafka.bootstrap };
      const fast = await measured(browser.context, origin, flatOut, options, pid, FLAT_OUT);
      put(`web.${name}.records_per_s`, fast.records / fast.seconds);
      put(`web.${name}.main_ms_per_1000`, fast.main);
      put(`web.${name}.proxy_cpu_s_per_m`, fast.proxy);
      const steady = await measured(browser.context, origin, paced, options, pid, PACED);
      put(`web.${name}.paced.p50_ms`, steady.p50);
      put(`web.${name}.paced.p99_ms`, steady.p99);
      put(`web.${name}.paced.main_ms_per_1000`, steady.main);
      put(`web.${name}.paced.long_tasks`, steady.long);
      put(`web.${name}.paced.longest_ms`, steady.longest);
    }
  }
  const result = Object.fromEntries(Object.entries(found).map(([name, values]) => [name, median(values)]));
  for (const [name, { pid, bridge, idle: count }] of Object.entries(ways)) {
    const [host, port] = kafka.bootstrap.split(":");
    const address = bridge.includes("{") ? bridge.replace("{host}", host).replace("{port}", port) : `${bridge}/${host}/${port}`;
    result[`web.${name}.idle_bytes_per_1000`] = await idle(pid, address, count);
  }
  // Not the middle one: none at all is what is asked for.
  for (const name of Object.keys(ways)) result[`web.${name}.paced.long_tasks`] = Math.max(...found[`web.${name}.paced.long_tasks`]);
  return result;
}

const ROWS = [
  ["records_per_s", "records per second, as many as it can", 0],
  ["main_ms_per_1000", "main thread, ms per 1000 records", 2],
  ["paced.p50_ms", "1000 records/s: ms from `send` to acknowledgement, p50", 1],
  ["paced.p99_ms", "1000 records/s: the same, p99", 1],
  ["paced.main_ms_per_1000", "1000 records/s: main thread, ms per 1000 records", 1],
  ["paced.long_tasks", "1000 records/s: tasks over 50 ms, the worst run", 0],
  ["proxy_cpu_s_per_m", "the proxy's CPU seconds per million records", 2],
  ["idle_bytes_per_1000", "the proxy's MB for 1000 idle connections", 1, 1e6],
];

function table(result) {
  console.log("| | kurier bridge | websockify |\n|---|---|---|");
  for (const [name, title, digits, unit = 1] of ROWS) {
    const of = (way) => (result[`web.${way}.${name}`] / unit).toFixed(digits).replace(/\B(?=(\d{3})+$)/, " ");
    console.log(`| ${title} | ${of("bridge")} | ${of("websockify")} |`);
  }
}

const ends = [];
try {
  const result = await run({ after: (end) => ends.push(end) });
  if (process.argv.includes("--json")) console.log(JSON.stringify(result));
  else table(result);
} finally {
  for (const end of ends.reverse()) await end();
}
