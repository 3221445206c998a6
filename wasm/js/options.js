// The options of `KafkaProducer.connect`, checked before anything is opened.
import { KurierError } from "./errors.js";
import { LONE } from "./record.js";

// Their order is that of `Number` in src/settings.rs. The seed follows behind.
const NUMBERS = [
  "acks", "lingerMs", "batchSize", "bufferMemory", "maxRequestSize", "maxInFlight", "enableIdempotence", "retries",
  "requestTimeoutMs", "deliveryTimeoutMs", "retryBackoffMs", "retryBackoffMaxMs", "reconnectBackoffMs",
  "reconnectBackoffMaxMs", "metadataMaxAgeMs",
];
const OTHERS = ["bridge", "bootstrap", "token", "clientId", "maxBlockMs", "wasm", "WebSocket"];
const KNOWN = [...OTHERS, ...NUMBERS];
/** A module has 4 GB at most, and must find a record's place in it. */
const MOST_MEMORY = 2 ** 30;
/** Kafka's names that are not ours with dots. */
const SHORT = { "max.in.flight.requests.per.connection": "maxInFlight" };
const TOKEN = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/;

export function invalid(message) {
  return new KurierError("INVALID_OPTION", message);
}

/** Insertions, deletions and changes that make `a` of `b`. */
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, n) => n);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}

/** Throws where an object has another option than these, with the nearest of them. */
export function only(names, options) {
  const name = Object.keys(options).find((name) => !names.includes(name));
  if (name === undefined) return;
  const plain = name.toLowerCase().replace(/[^a-z]/g, "");
  const near = names.map((known) => [distance(plain, known.toLowerCase()), known]).sort(([a], [b]) => a - b)[0];
  const hint = near[0] <= 1 + name.length / 3 ? `; did you mean \`${near[1]}\`?` : "";
  throw invalid(`unknown option \`${name}\`${hint}`);
}

/** What the core has against an option, which it calls by Kafka's name. */
export function refused(error) {
  const ours = (name) => `\`${SHORT[name] ?? name.replace(/\.(\w)/g, (_, letter) => letter.toUpperCase())}\``;
  return invalid(String(error?.message ?? error).replace(/\b[a-z]+(\.[a-z]+)+\b/g, ours));
}

function integer(name, value) {
  if (name === "acks" && value === "all") return -1;
  if (name === "enableIdempotence" && typeof value === "boolean") return Number(value);
  const least = name === "acks" ? -1 : 0;
  if (!Number.isSafeInteger(value) || value < least || (name === "acks" && value > 1)) {
    const allowed = { acks: '"all", -1, 0 or 1', enableIdempotence: "true or false" };
    throw invalid(`\`${name}\` must be ${allowed[name] ?? "an integer from 0"}, not ${String(value)}`);
  }
  return value;
}

/** `HOST:PORT`, an IPv6 address in brackets. */
function server(text) {
  const [, host, port] = /^(\[[^\]\s]+\]|[^:[\]\s]+):(\d{1,5})$/.exec(text.trim()) ?? [];
  if (!host || LONE.test(host) || Number(port) < 1 || Number(port) > 65535) {
    throw invalid(`\`bootstrap\` must be HOST:PORT, or several with commas; this is not: ${text}`);
  }
  return `${host.replace(/^\[|\]$/g, "")} ${Number(port)}`;
}

/** Where a broker's WebSocket is: the URL's template filled in, or the broker's address behind its path. */
export function address(bridge, host, port) {
  const name = encodeURIComponent(host);
  if (bridge.includes("{host}") || bridge.includes("{port}")) {
    return bridge.replaceAll("{host}", name).replaceAll("{port}", String(port));
  }
  const url = new URL(bridge);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/${name}/${port}`;
  return url.href;
}

function bridgeOf(given) {
  if (typeof given !== "string" && !(given instanceof URL)) {
    throw invalid("`bridge` is missing: the URL of the bridge, as in wss://edge.example/kafka");
  }
  const bridge = String(given);
  let url;
  try {
    url = new URL(address(bridge, "host", 1));
  } catch {
    throw invalid(`\`bridge\` is no URL: ${bridge}`);
  }
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw invalid(`\`bridge\` must begin with ws:// or wss://: ${bridge}`);
  }
  if (url.hash) throw invalid("`bridge` must have no #fragment");
  const local = /^(localhost|127\.[\d.]+|\[::1\])$/.test(url.hostname);
  if (url.protocol === "ws:" && globalThis.location?.protocol === "https:" && !local) {
    throw invalid("a page of https:// may use wss:// bridges only (mixed content)");
  }
  return bridge;
}

/** Checked options, or a `KurierError` that names the wrong one. */
export function check(options) {
  if (typeof options !== "object" || options === null) throw invalid("options are missing: at least `bridge` and `bootstrap`");
  only(KNOWN, options);
  const bridge = bridgeOf(options.bridge);
  const { bootstrap, token, clientId = "kurier", maxBlockMs = 60_000, wasm } = options;
  const servers = Array.isArray(bootstrap) ? bootstrap : typeof bootstrap === "string" ? bootstrap.split(",") : [];
  if (servers.length === 0) throw invalid("`bootstrap` is missing: brokers to start from, as in broker:9092");
  if (token !== undefined && (typeof token !== "string" || !TOKEN.test(token))) {
    throw invalid("`token` must be a string of ASCII letters, digits, and !#$%&'*+-.^_`|~");
  }
  if (typeof clientId !== "string" || LONE.test(clientId)) throw invalid("`clientId` must be a string without lone surrogates");
  const Socket = options.WebSocket ?? globalThis.WebSocket;
  if (typeof Socket !== "function") {
    throw invalid("there is no WebSocket here: give one as option `WebSocket` (Node before 22: the one of package `ws`)");
  }
  // Times end at twelve days, whatever they are; what else is beyond measure is a mistake.
  for (const name of NUMBERS) {
    const most = name.endsWith("Ms") ? Infinity : name === "retries" ? 0x7fffffff : MOST_MEMORY;
    if (options[name] > most) throw invalid(`\`${name}\` must be at most ${most}, not ${options[name]}`);
  }
  const numbers = NUMBERS.map((name) => (options[name] === undefined ? -1 : integer(name, options[name])));
  // For jitter and the choice of partitions: it need not be secret, only another one in each page.
  const seed = Math.floor(Math.random() * 2 ** 32);
  return {
    bridge, token, clientId, wasm, Socket,
    servers: servers.map((text) => server(String(text))).join("\n"),
    maxRequestSize: options.maxRequestSize ?? 1 << 20,
    bufferMemory: options.bufferMemory ?? 32 << 20,
    maxBlockMs: integer("maxBlockMs", maxBlockMs),
    numbers: Float64Array.from([...numbers, seed]),
  };
}
