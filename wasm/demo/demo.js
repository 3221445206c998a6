// This tab's own telemetry, produced to Kafka, with what became of it.
import { KafkaProducer } from "../js/kurier.js";

const SECONDS = 60;
const words = new URLSearchParams(location.search);
const bridge = words.get("bridge") ?? "ws://localhost:9091";
const bootstrap = words.get("bootstrap") ?? "localhost:9092";
const topic = words.get("topic") ?? "clicks-demo";
const at = (id) => document.getElementById(id);

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
}

/** One number for each of the last seconds, drawn as a line. */
class Chart {
  values = [];
  constructor(id) {
    this.canvas = at(id);
    this.output = at(`${id}-now`);
  }
  push(value) {
    this.values.push(value);
    if (this.values.length > SECONDS) this.values.shift();
    this.output.textContent = value === null ? "–" : value < 10 ? value.toFixed(1) : value.toFixed(0);
    this.draw();
  }
  draw() {
    const { canvas, values } = this;
    const scale = devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext("2d");
    pen.scale(scale, scale);
    const style = getComputedStyle(document.documentElement);
    const top = Math.max(1, ...values) * 1.1;
    const x = (n) => (n + SECONDS - values.length) * (width / (SECONDS - 1));
    const y = (value) => height - 4 - (value / top) * (height - 18);
    pen.strokeStyle = style.getPropertyValue("--line");
    pen.fillStyle = style.getPropertyValue("--soft");
    pen.font = "11px system-ui, sans-serif";
    for (const part of [0, 0.5, 1]) {
      const line = y((top / 1.1) * part);
      pen.beginPath();
      pen.moveTo(0, line);
      pen.lineTo(width, line);
      pen.stroke();
      if (part > 0) pen.fillText(((top / 1.1) * part).toFixed(top < 20 ? 1 : 0), 2, line - 3);
    }
    pen.strokeStyle = style.getPropertyValue("--mark");
    pen.lineWidth = 2;
    pen.lineJoin = "round";
    pen.beginPath();
    let isDown = false;
    values.forEach((value, n) => {
      if (value === null) isDown = false;
      else if (isDown) pen.lineTo(x(n), y(value));
      else {
        pen.moveTo(x(n), y(value));
        isDown = true;
      }
    });
    pen.stroke();
  }
}

const charts = { rate: new Chart("rate"), latency: new Chart("latency"), frames: new Chart("frames") };
const counted = { sent: 0, acknowledged: 0, failed: 0, lost: 0 };
let second = { acknowledged: 0, latencies: [], frame: 0 };
let isPaused = false;
const rows = [];
/** Of each partition, the offset of the record that was acknowledged last: a gap would be a loss or somebody else. */
const last = new Map();

function say(text, kind) {
  const state = at("state");
  if (state.textContent !== text) state.textContent = text;
  state.className = kind;
}

function record(producer, kind, value) {
  if (isPaused) return;
  const started = performance.now();
  counted.sent++;
  producer.send(topic, JSON.stringify({ kind, at: Math.round(started), ...value }), { key: kind }).then(
    ({ partition, offset }) => {
      counted.acknowledged++;
      second.acknowledged++;
      second.latencies.push(performance.now() - started);
      if (last.has(partition) && offset !== last.get(partition) + 1) counted.lost++;
      last.set(partition, offset);
      rows.unshift([partition, offset, kind, JSON.stringify(value)]);
      rows.length = Math.min(rows.length, 8);
    },
    (error) => {
      counted.failed++;
      say(`${error.code}: ${error.message}`, "down");
    },
  );
}

function tick(producer) {
  const middle = second.latencies.sort((a, b) => a - b)[second.latencies.length >> 1];
  charts.rate.push(second.acknowledged);
  charts.latency.push(middle ?? null);
  charts.frames.push(second.frame || null);
  second = { acknowledged: 0, latencies: [], frame: 0 };
  at("acknowledged").textContent = counted.acknowledged.toLocaleString("en");
  at("underway").textContent = (counted.sent - counted.acknowledged - counted.failed).toLocaleString("en");
  at("failed").textContent = counted.failed.toLocaleString("en");
  at("lost").textContent = counted.lost.toLocaleString("en");
  at("retries").textContent = producer.metrics().retries.toLocaleString("en");
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
  addEventListener("resize", () => Object.values(charts).forEach((chart) => chart.draw()));
}

try {
  say(`Connecting to ${bridge}…`, "");
  const producer = await KafkaProducer.connect({ bridge, bootstrap, lingerMs: 20, WebSocket: CutWebSocket, token: words.get("token") ?? undefined });
  producer.addEventListener("state", ({ detail }) => {
    if (detail.state === "connected") say(`Connected: ${detail.server} through ${new URL(bridge).host}`, "up");
    else say(`Not connected: ${detail.reason}. Records wait.`, "down");
  });
  const [cut, pause] = [at("cut"), at("pause")];
  cut.disabled = pause.disabled = false;
  cut.addEventListener("click", () => {
    isCut = cut.disabled = true;
    // 3000 and above are an application's own.
    open.forEach((socket) => socket.close(3000, "cut by the button"));
    setTimeout(() => (isCut = cut.disabled = false), 3000);
  });
  pause.addEventListener("click", () => {
    isPaused = !isPaused;
    pause.setAttribute("aria-pressed", String(isPaused));
    pause.textContent = isPaused ? "Go on" : "Pause";
  });
  watch(producer);
} catch (error) {
  say(`${error.code ?? error.name}: ${error.message}`, "down");
}
