// This tab's own telemetry, produced to Kafka, with what became of it.
import { KafkaProducer } from "../js/kurier.js";

const SECONDS = 60;
const words = new URLSearchParams(location.search);
const bridge = words.get("bridge") ?? "ws://localhost:9091";
const bootstrap = words.get("bootstrap") ?? "localhost:9092";
const topic = words.get("topic") ?? "clicks-demo";
const at = (id) => document.getElementById(id);

/** The producer tells of every record in this time; one that it does not tell of is lost. */
const OUTCOME_MS = Number(words.get("outcome-ms") ?? 60_000);
const PATIENCE_MS = 2 * OUTCOME_MS + 5000;

// A WebSocket that can be cut, as a network would.
const open = new Set();
let isCut = false;
class CutWebSocket extends WebSocket {
  constructor(url, protocols) {
    if (isCut) throw new Error("the connection is cut");
    super(url, protocols);
    open.add(this);
    this.addEventListener("close", () => open.delete(this));
  }
  send(bytes) {
    super.send(bytes);
    // Amid a request: it may be in the log, and its answer never comes. 3000 and above are an application's own.
    if (isCut) this.close(3000, "cut by the button");
  }
}

/** The next number above that is easy to read. */
function round(value) {
  const ten = 10 ** Math.floor(Math.log10(value));
  return [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((n) => n * ten >= value) * ten;
}

/** One number for each of the last seconds, drawn as a line; seconds without a connection have another ground. */
class Chart {
  values = [];
  cuts = [];
  constructor(id) {
    this.canvas = at(id);
    this.now = at(`${id}-now`);
  }
  push(value, wasCut) {
    this.values.push(value);
    this.cuts.push(wasCut);
    if (this.values.length > SECONDS) {
      this.values.shift();
      this.cuts.shift();
    }
    this.now.textContent = value === null ? "–" : value < 10 ? value.toFixed(1) : value.toFixed(0);
    this.draw();
  }
  draw(paint) {
    const { canvas, values, cuts } = this;
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name);
    // It begins with a quarter of a minute, so that there is something to see.
    const span = Math.min(SECONDS, Math.max(15, values.length));
    const top = round(Math.max(1, ...values));
    const base = height - 18;
    const step = width / (span - 1);
    const x = (n) => (n + span - values.length) * step;
    const y = (value) => base - (value / top) * (base - 16);
    pen.globalAlpha = 0.16;
    pen.fillStyle = color("--bad");
    cuts.forEach((wasCut, n) => wasCut && pen.fillRect(x(n) - step / 2, 0, step, base));
    pen.globalAlpha = 1;
    pen.strokeStyle = color("--line");
    pen.fillStyle = color("--soft");
    pen.font = "11px system-ui, sans-serif";
    for (const part of [0, 0.5, 1]) {
      const line = Math.round(y(top * part)) + 0.5;
      pen.beginPath();
      pen.moveTo(0, line);
      pen.lineTo(width, line);
      pen.stroke();
      if (part > 0) pen.fillText(String(top * part), 2, line - 3);
    }
    pen.fillText(`${span} s ago`, 2, height - 4);
    pen.textAlign = "right";
    pen.fillText("now", width - 2, height - 4);
    if (paint) return paint({ pen, color, x, y, step });
    const line = new Path2D();
    const ground = new Path2D();
    let from = -1;
    values.forEach((value, n) => {
      if (value === null) return void (from = -1);
      if (from < 0) {
        from = n;
        line.moveTo(x(n), y(value));
        ground.moveTo(x(n), base);
      } else line.lineTo(x(n), y(value));
      ground.lineTo(x(n), y(value));
      if (n + 1 === values.length || values[n + 1] === null) ground.lineTo(x(n), base);
    });
    pen.globalAlpha = 0.14;
    pen.fillStyle = color("--mark");
    pen.fill(ground);
    pen.globalAlpha = 1;
    pen.strokeStyle = color("--mark");
    pen.lineWidth = 2;
    pen.lineJoin = pen.lineCap = "round";
    pen.stroke(line);
  }
}

/** Of each second how many records were acknowledged and failed, and how many batches were sent again, one upon the other. */
class Outcomes extends Chart {
  push(parts, wasCut) {
    this.parts = [...(this.parts ?? []), parts].slice(-SECONDS);
    super.push(parts.reduce((sum, part) => sum + part), wasCut);
  }
  draw() {
    super.draw(({ pen, color, x, y, step }) => {
      const width = Math.max(1, step * 0.7);
      this.parts.forEach((parts, n) => {
        let sum = 0;
        ["--good", "--again", "--bad"].forEach((name, kind) => {
          // What there is can be seen, however little it is.
          const [low, high] = [y(sum), Math.min(y((sum += parts[kind])), y(sum - parts[kind]) - 3)];
          pen.fillStyle = color(name);
          if (parts[kind] > 0) pen.fillRect(x(n) - width / 2, high, width, low - high);
        });
      });
    });
  }
}

const charts = { rate: new Chart("rate"), latency: new Chart("latency"), frames: new Chart("frames"), outcomes: new Outcomes("outcomes") };
const counted = { acknowledged: 0, failed: 0, twice: 0, retries: 0 };
/** When each record that has no outcome yet was sent. */
const pending = new Map();
let number = 0;
const nothing = () => ({ acknowledged: 0, failed: 0, latencies: [], frame: 0, wasCut: false });
let second = nothing();
let isPaused = false;
const rows = [];
/** Of each partition, the offset that was told last. One that is told again is the place of another record: one of the two is not there. */
const last = new Map();

function say(text, kind) {
  const state = at("state");
  if (state.textContent !== text) state.textContent = text;
  state.className = kind;
}

function record(producer, kind, value) {
  if (isPaused) return;
  const started = performance.now();
  const mine = number++;
  pending.set(mine, started);
  producer.send(topic, JSON.stringify({ kind, at: Math.round(started), ...value }), { key: kind }).then(
    ({ partition, offset }) => {
      pending.delete(mine);
      counted.acknowledged++;
      second.acknowledged++;
      second.latencies.push(performance.now() - started);
      if (offset <= (last.get(partition) ?? -1)) counted.twice++;
      else last.set(partition, offset);
      rows.unshift([partition, offset, kind, JSON.stringify(value)]);
      rows.length = Math.min(rows.length, 8);
    },
    (error) => {
      pending.delete(mine);
      counted.failed++;
      second.failed++;
      say(`${error.code}: ${error.message}`, "down");
    },
  );
}

function tick(producer) {
  const middle = second.latencies.sort((a, b) => a - b)[second.latencies.length >> 1];
  const wasCut = second.wasCut || at("state").className === "down";
  charts.rate.push(second.acknowledged, wasCut);
  charts.latency.push(middle ?? null, wasCut);
  charts.frames.push(second.frame || null, wasCut);
  const { retries } = producer.metrics();
  charts.outcomes.push([second.acknowledged, retries - counted.retries, second.failed], wasCut);
  counted.retries = retries;
  second = nothing();
  at("acknowledged").textContent = counted.acknowledged.toLocaleString("en");
  const overdue = [...pending.values()].filter((started) => performance.now() - started > PATIENCE_MS).length;
  at("underway").textContent = (pending.size - overdue).toLocaleString("en");
  for (const [name, count] of [["failed", counted.failed], ["lost", overdue + counted.twice]]) {
    at(name).textContent = count.toLocaleString("en");
    at(name).className = count > 0 ? "some" : "none";
  }
  at("retries").textContent = retries.toLocaleString("en");
  at("records").replaceChildren(...rows.map((cells) => {
    const row = document.createElement("tr");
    row.append(...cells.map((cell) => Object.assign(document.createElement("td"), { textContent: cell })));
    return row;
  }));
}

function watch(producer) {
  let before = performance.now();
  const frame = (now) => {
    const ms = now - before;
    before = now;
    second.frame = Math.max(second.frame, ms);
    record(producer, "frame", { ms: Number(ms.toFixed(2)) });
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  addEventListener("pointermove", ({ clientX, clientY, pointerType }) => record(producer, "pointer", { x: clientX, y: clientY, pointerType }));
  addEventListener("click", ({ clientX, clientY }) => record(producer, "click", { x: clientX, y: clientY }));
  setInterval(() => {
    const used = performance.memory?.usedJSHeapSize;
    if (used !== undefined) record(producer, "memory", { used });
    const { effectiveType, rtt, downlink } = navigator.connection ?? {};
    if (effectiveType !== undefined) record(producer, "network", { effectiveType, rtt, downlink });
  }, 1000);
  setInterval(() => tick(producer), 1000);
  const redraw = () => Object.values(charts).forEach((chart) => chart.draw());
  addEventListener("resize", redraw);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

try {
  say(`Connecting to ${bridge}…`, "");
  const patience = { maxBlockMs: OUTCOME_MS, deliveryTimeoutMs: OUTCOME_MS, requestTimeoutMs: Math.min(10_000, OUTCOME_MS / 2) };
  const producer = await KafkaProducer.connect({ bridge, bootstrap, lingerMs: 20, ...patience, WebSocket: CutWebSocket, token: words.get("token") ?? undefined });
  producer.addEventListener("state", ({ detail }) => {
    if (detail.state === "connected") say(`Connected: ${detail.server} through ${new URL(bridge).host}`, "up");
    else say(`Not connected: ${detail.reason}. Records wait.`, "down");
  });
  const [cut, pause] = [at("cut"), at("pause")];
  cut.disabled = pause.disabled = false;
  // Not really disabled meanwhile, or the keyboard's place in the page were lost.
  const cutting = (is) => {
    isCut = is;
    cut.setAttribute("aria-disabled", String(is));
  };
  cut.addEventListener("click", () => {
    if (isCut) return;
    cutting(true);
    second.wasCut = true;
    // Where nothing is sent, too.
    setTimeout(() => open.forEach((socket) => socket.close(3000, "cut by the button")), 250);
    setTimeout(() => cutting(false), 3000);
  });
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "Go on" : "Pause";
  });
  watch(producer);
} catch (error) {
  say(`${error.code ?? error.name}: ${error.message}`, "down");
}
