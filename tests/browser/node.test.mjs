// The same package in Node: bad input, which needs no page, and a run against the bridge.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import init from "../../wasm/generated/kurier_wasm.js";
import { KafkaProducer, KurierError } from "../../wasm/js/kurier.js";
import { bridge, cluster, log } from "./servers.mjs";

const GOOD = { bridge: "ws://127.0.0.1:9", bootstrap: "b:9092", WebSocket };

async function error(promise) {
  const found = await promise.then(() => assert.fail("no error"), (error) => error);
  assert.ok(found instanceof KurierError, String(found?.stack ?? found));
  assert.ok(found.message.length > 10);
  assert.equal(found.outcome, "not-written");
  return found;
}

test("Node produces as a page does", { timeout: 60_000 }, async (t) => {
  const kafka = await cluster(t);
  const { address } = await bridge(t, kafka);
  const producer = await KafkaProducer.connect({ ...GOOD, bridge: `ws://${address}`, bootstrap: kafka.bootstrap });
  const sent = Array.from({ length: 10_000 }, (_, n) => producer.send(kafka.topic, `v${n}`, { key: `k${n % 7}` }));
  await producer.flush();
  const places = (await Promise.all(sent)).map(({ partition, offset }) => `${partition}/${offset}`);
  await producer.close();
  const records = await log(kafka);
  assert.equal(records.length, 10_000);
  for (const { value, partition, offset } of records) assert.equal(places[value.slice(1)], `${partition}/${offset}`);
});

test("an option that is wrong is named, with the nearest known one", async () => {
  const cases = [
    [{ linger: 5 }, /unknown option `linger`; did you mean `lingerMs`\?/],
    [{ "linger.ms": 5 }, /did you mean `lingerMs`\?/],
    [{ xyz: 5 }, /unknown option `xyz`$/],
    [{ lingerMs: -1 }, /`lingerMs` must be an integer from 0, not -1/],
    [{ lingerMs: "5" }, /`lingerMs` must be/],
    [{ acks: 2 }, /`acks` must be "all", -1, 0 or 1/],
    [{ acks: 0, enableIdempotence: true }, /acks must be all, because of `enableIdempotence`/],
    [{ maxInFlight: 9 }, /`maxInFlight` must be 1 to 5/],
    [{ deliveryTimeoutMs: 1 }, /`deliveryTimeoutMs` must be at least `lingerMs` \+ `requestTimeoutMs`/],
    [{ batchSize: 2 ** 40 }, /`batchSize` must be at most 1073741824, not 1099511627776/],
    [{ retries: 2 ** 35 }, /`retries` must be at most 2147483647, not 34359738368/],
    [{ clientId: "\ud800" }, /`clientId` must be a string without lone surrogates/],
    [{ bootstrap: "\ud800:9092" }, /must be HOST:PORT/],
    [{ bridge: undefined }, /`bridge` is missing/],
    [{ bridge: "http://x" }, /must begin with ws:\/\//],
    [{ bridge: "nonsense" }, /is no URL/],
    [{ bridge: "ws://x/#y" }, /fragment/],
    [{ bootstrap: undefined }, /`bootstrap` is missing/],
    [{ bootstrap: "b" }, /must be HOST:PORT/],
    [{ bootstrap: "b:0" }, /must be HOST:PORT/],
    [{ bootstrap: "b:9092,c:99999" }, /c:99999/],
    [{ bufferMemory: 2 ** 31 }, /`bufferMemory` must be at most 1073741824/],
    [{ token: "a b" }, /`token`/],
    [{ WebSocket: 5 }, /no WebSocket here/],
  ];
  for (const [change, message] of cases) {
    const found = await error(KafkaProducer.connect({ ...GOOD, ...change }));
    assert.equal(found.code, "INVALID_OPTION");
    assert.match(found.message, message);
  }
  for (const options of [undefined, null, 5]) await error(KafkaProducer.connect(options));
});

test("a record that cannot be sent as it is, is refused and never changed", async () => {
  const producer = await KafkaProducer.connect({ ...GOOD, maxBlockMs: 50 });
  const gone = new Uint8Array(8);
  structuredClone(gone.buffer, { transfer: [gone.buffer] });
  const shrunk = new ArrayBuffer(8, { maxByteLength: 8 });
  const [beyond, view] = [new Uint16Array(shrunk, 4, 2), new DataView(shrunk, 4, 4)];
  shrunk.resize(2);
  const cases = [
    [["t"], /needs a value/],
    [["t", 5], /value must be a string, Uint8Array, ArrayBuffer or null, not number/],
    [["t", {}], /value must be/],
    [["t", "a\ud800b"], /lone surrogate/],
    [["t", "\udc00"], /lone surrogate/],
    [["t", gone], /transferred away/],
    [["t", gone.buffer], /transferred away/],
    [["t", beyond], /value is a buffer .* or lies beyond the end of one/],
    [["t", view], /beyond the end/],
    [["t", "x", { key: gone }], /key is a buffer that was transferred away/],
    [["t", "x", { key: "\ud800" }], /key has a lone surrogate/],
    [["t", "x", { headers: [["\udfff", "v"]] }], /name has a lone surrogate/],
    [["t", "x", { headers: { a: "\ud83d" } }], /header `a` has a lone surrogate/],
    [["\ud800", "x"], /letters, digits/],
    [["t", 5n], /not bigint/],
    [["t", Symbol("s")], /not symbol/],
    [["t", "x", { partition: Symbol("s") }], /not Symbol\(s\)/],
    [["t", "x", { get key() { throw new TypeError("a getter of yours"); } }], /a getter of yours/],
    [["t", "x", { key: 5 }], /key must be/],
    [["t", "x", { kye: "k" }], /unknown option `kye`/],
    [["t", "x", null], /must be an object/],
    [["t", "x", { partition: -1 }], /partition must be an integer from 0/],
    [["t", "x", { partition: 1.5 }], /partition must be/],
    [["t", "x", { timestamp: "now" }], /timestamp/],
    [["t", "x", { timestamp: new Date(NaN) }], /timestamp/],
    [["t", "x", { headers: "h" }], /headers must be/],
    [["t", "x", { headers: [["a"]] }], /a header must be/],
    [["t", "x", { headers: { a: 5 } }], /header `a` must be/],
    [[5, "x"], /topic must be a string/],
    [["", "x"], /name must not be empty/],
    [["a b", "x"], /letters, digits/],
    [["t".repeat(250), "x"], /249/],
  ];
  for (const [call, message] of cases) {
    const found = await error(producer.send(...call));
    assert.match(found.message, message);
    assert.match(found.code, /^INVALID_(RECORD|TOPIC_EXCEPTION)$/);
  }
  for (const empty of ["", new Uint8Array(0), new DataView(new ArrayBuffer(0)), new ArrayBuffer(0)]) {
    assert.equal((await error(producer.send("t", empty))).code, "NO_METADATA", "what is empty by itself is a value");
  }
  const late = await error(producer.send("t", "x"));
  assert.deepEqual([late.code, late.retriable], ["NO_METADATA", true]);
  const open = producer.send("t", "x");
  await producer.close({ timeoutMs: 1 });
  assert.equal((await error(open)).outcome, "not-written");
  assert.equal((await error(producer.send("t", "x"))).code, "PRODUCER_CLOSED");
  await producer.close();
  await producer.flush();
});

test("what is sent is what a buffer held when it was given", { timeout: 60_000 }, async (t) => {
  const kafka = await cluster(t);
  const { address } = await bridge(t, kafka);
  const producer = await KafkaProducer.connect({ ...GOOD, bridge: `ws://${address}`, bootstrap: kafka.bootstrap });
  const [value, key] = [new Uint8Array(1), new Uint8Array(1)];
  const sent = ["a", "b", "c"].map((letter) => {
    value[0] = key[0] = letter.charCodeAt(0);
    return producer.send(kafka.topic, value, { key, partition: 0 });
  });
  assert.equal(producer.metrics().waiting, 3);
  structuredClone(value.buffer, { transfer: [value.buffer] });
  await Promise.all(sent);
  await producer.close();
  assert.deepEqual((await log(kafka)).map(({ key, value }) => key + value), ["aa", "bb", "cc"]);
});

test("huge values are refused before they are copied", async () => {
  const producer = await KafkaProducer.connect(GOOD);
  const { memory } = await init();
  const before = memory.buffer.byteLength;
  const huge = new Uint8Array(100 << 20);
  const text = "x".repeat(50 << 20);
  const many = new Array(1_000_000).fill(["n", ""]);
  for (const call of [["t", huge], ["t", huge.buffer], ["t", text], ["t", "x", { key: huge }], ["t", "x", { headers: { a: text } }], ["t", "x", { headers: many }]]) {
    const found = await error(producer.send(...call));
    assert.equal(found.code, "RECORD_TOO_LARGE");
    assert.match(found.message, /`maxRequestSize` is 1048576/);
  }
  assert.equal((await error(producer.send(text, "x"))).code, "INVALID_TOPIC_EXCEPTION");
  assert.equal(memory.buffer.byteLength, before);
  await producer.close({ timeoutMs: 0 });
});

test("times that a timer cannot count are as long as it can", { timeout: 60_000 }, async (t) => {
  const said = [];
  const listen = (warning) => said.push(String(warning));
  process.on("warning", listen);
  t.after(() => process.off("warning", listen));
  const kafka = await cluster(t);
  const { address } = await bridge(t, kafka);
  const long = 2 ** 32 - 1;
  const options = { bridge: `ws://${address}`, bootstrap: kafka.bootstrap, metadataMaxAgeMs: long, maxBlockMs: 2 ** 40 };
  const producer = await KafkaProducer.connect({ ...GOOD, ...options });
  const sent = producer.send(kafka.topic, "x", { headers: new Map([["a", "b"]]) });
  for (const timeoutMs of [-1, NaN, "5", null]) assert.equal((await error(producer.close({ timeoutMs }))).code, "INVALID_OPTION");
  for (const options of [null, 5]) assert.match((await error(producer.close(options))).message, /must be an object/);
  assert.match((await error(producer.close({ timeout: 3 }))).message, /unknown option `timeout`; did you mean `timeoutMs`\?/);
  await producer.close({ timeoutMs: Infinity });
  const { records, batches, requests, acknowledged, waiting } = producer.metrics();
  assert.deepEqual([records, batches, requests, acknowledged, waiting], [1, 1, 1, 1, 0], "the last ones");
  assert.equal((await sent).topic, kafka.topic, "it was waited for");
  assert.equal((await log(kafka))[0].headers, "a=b");
  assert.deepEqual(said, []);
});

test("a page of https:// is told that a bridge of ws:// will not do", async (t) => {
  globalThis.location = new URL("https://shop.example/");
  t.after(() => delete globalThis.location);
  const found = await error(KafkaProducer.connect({ ...GOOD, bridge: "ws://edge.example" }));
  assert.equal(found.code, "INVALID_OPTION");
  assert.match(found.message, /mixed content/);
  for (const bridge of ["wss://edge.example", "ws://localhost:9091", "ws://[::1]:9091"]) {
    const producer = await KafkaProducer.connect({ ...GOOD, bridge });
    await producer.close({ timeoutMs: 0 });
  }
});

test("a record larger than a request is refused, one nearly as large passes", { timeout: 60_000 }, async (t) => {
  const kafka = await cluster(t);
  const { address } = await bridge(t, kafka);
  const producer = await KafkaProducer.connect({ ...GOOD, bridge: `ws://${address}`, bootstrap: kafka.bootstrap });
  const found = await error(producer.send(kafka.topic, new Uint8Array(1 << 20)));
  assert.equal(found.code, "RECORD_TOO_LARGE");
  assert.equal((await producer.send(kafka.topic, new Uint8Array((1 << 20) - 500))).partition >= 0, true);
  assert.equal((await producer.send(kafka.topic, null, { key: "k" })).timestamp > 0, true);
  await producer.close();
});

test("a producer that is closed gives its memory back", { timeout: 60_000 }, async (t) => {
  const kafka = await cluster(t);
  const { address } = await bridge(t, kafka);
  const produce = async () => {
    const producer = await KafkaProducer.connect({ ...GOOD, bridge: `ws://${address}`, bootstrap: kafka.bootstrap });
    const value = new Uint8Array(100_000);
    await Promise.all(Array.from({ length: 20 }, () => producer.send(kafka.topic, value)));
    await producer.close();
  };
  await produce();
  const { memory } = await init();
  const early = memory.buffer.byteLength;
  for (let n = 0; n < 20; n++) await produce();
  const grown = memory.buffer.byteLength - early;
  assert.ok(grown <= 2 << 16, `20 producers of 2 MB each have left ${grown} bytes`);
});

test("a flush has also those go at once that wait for metadata", { timeout: 60_000 }, async (t) => {
  const kafka = await cluster(t);
  const { address } = await bridge(t, kafka);
  const options = { ...GOOD, bridge: `ws://${address}`, bootstrap: kafka.bootstrap, lingerMs: 100_000 };
  const producer = await KafkaProducer.connect(options);
  const sent = ["a", "b", "c"].map((value) => producer.send(kafka.topic, value));
  assert.equal(producer.metrics().waiting, 3);
  await Promise.all([producer.flush(), producer.flush()]);
  assert.equal(producer.metrics().acknowledged, 3);
  await Promise.all(sent);
  await producer.close();
});

/** A producer that ends with the test, however that does. */
async function producing(t, options) {
  const producer = await KafkaProducer.connect({ ...GOOD, ...options });
  t.after(() => producer.close({ timeoutMs: 1 }));
  return producer;
}

/** A bridge of a test's own; its address. */
async function fake(t, answer) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  await new Promise((resolve) => server.once("listening", resolve));
  t.after(() => {
    server.clients.forEach((client) => client.terminate());
    server.close();
  });
  server.on("connection", answer);
  return `ws://127.0.0.1:${server.address().port}`;
}

/** The first news of a producer with a record that goes nowhere, and its error. */
async function firstNews(options) {
  const producer = await KafkaProducer.connect({ ...GOOD, maxBlockMs: 1500, requestTimeoutMs: 200, ...options });
  const news = new Promise((resolve) => producer.addEventListener("state", ({ detail }) => resolve(detail), { once: true }));
  const found = await error(producer.send("t", "x"));
  await producer.close({ timeoutMs: 1 });
  return { ...(await news), message: found.message };
}

test("a bridge that accepts and says nothing is told of, and left", { timeout: 60_000 }, async (t) => {
  const { state, server, reason, message } = await firstNews({ bridge: await fake(t, () => {}) });
  assert.deepEqual([state, server, reason], ["disconnected", "b:9092", "no answer in time"]);
  assert.match(message, /b:9092: no answer in time/);
});

test("a bridge that answers with what is not Kafka's is told of, and left", { timeout: 60_000 }, async (t) => {
  const garbage = new Uint8Array(64).fill(0x5a);
  const bridge = await fake(t, (socket) => socket.on("message", () => socket.send(garbage)));
  const found = await firstNews({ bridge });
  assert.equal(found.state, "connected", "something came");
  assert.match(found.message, /b:9092: what came is no answer of a Kafka broker/);
  const text = await fake(t, (socket) => socket.on("message", () => socket.send("hello")));
  assert.match((await firstNews({ bridge: text })).message, /b:9092: the bridge has sent text/);
});

test("whatever comes instead of answers, each record has its outcome", { timeout: 60_000 }, async (t) => {
  let seed = 1;
  const random = (below) => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return (seed >>> 8) % below;
  };
  let answers = 0;
  const chaos = await fake(t, (socket) => {
    socket.on("error", () => {});
    socket.on("message", (request) => {
      answers++;
      const size = [0, 1, 4, 8, 30, 5000][random(6)];
      const answer = Buffer.from(Array.from({ length: size }, () => random(256)));
      // Half of them begin as an answer to this request does.
      if (size >= 8 && random(2)) {
        answer.writeInt32BE(size - 4);
        request.copy(answer, 4, 8, 12);
      }
      socket.send(answer);
      if (random(4) === 0) socket.close(random(2) ? 4502 : 1000);
    });
  });
  const options = { bridge: chaos, maxBlockMs: 500, requestTimeoutMs: 50, reconnectBackoffMs: 1, reconnectBackoffMaxMs: 2 };
  for (let n = 0; n < 8; n++) {
    const producer = await producing(t, options);
    const found = await Promise.all(["t", "u"].map((topic) => error(producer.send(topic, "x"))));
    found.forEach(({ code }) => assert.equal(code, "NO_METADATA"));
    await producer.close({ timeoutMs: 1 });
  }
  assert.ok(answers >= 10, `${answers}`);
});

test("a broker that is gone, or is none, is in the error's sentence", { timeout: 60_000 }, async (t) => {
  const none = createServer((socket) => socket.on("error", () => {}).on("data", () => socket.write("HTTP/1.1 400 Bad Request\r\n\r\n"))).listen(0, "127.0.0.1");
  await once(none, "listening");
  t.after(() => none.close());
  const attempt = async (bootstrap) => {
    const { address } = await bridge(t, { bootstrap });
    const producer = await producing(t, { bridge: `ws://${address}`, bootstrap, maxBlockMs: 2500 });
    const found = await error(producer.send("clicks", "x"));
    assert.deepEqual([found.code, found.retriable], ["NO_METADATA", true]);
    await producer.close({ timeoutMs: 1 });
    return found.message;
  };
  assert.match(await attempt("127.0.0.1:9"), /\(127\.0\.0\.1:9: .+ \(4503\)\)/);
  assert.match(await attempt(`127.0.0.1:${none.address().port}`), /\(4502\)\)/);
});

test("a bridge with no room for one more is in the error's sentence", { timeout: 60_000 }, async (t) => {
  const kafka = await cluster(t);
  const { address } = await bridge(t, kafka, "--max-connections-per-client", "1");
  const options = { bridge: `ws://${address}`, bootstrap: kafka.bootstrap, maxBlockMs: 2000 };
  const first = await producing(t, options);
  await first.send(kafka.topic, "x");
  const second = await producing(t, options);
  const found = await error(second.send(kafka.topic, "y"));
  assert.match(found.message, /\(4429\)\)/);
  await Promise.all([first.close(), second.close({ timeoutMs: 1 })]);
  const third = await producing(t, { ...options, maxBlockMs: 30_000 });
  assert.equal((await third.send(kafka.topic, "y")).topic, kafka.topic, "there is room now");
});

test("a producer that the bridge will not have does not come again", { timeout: 60_000 }, async (t) => {
  const kafka = await cluster(t);
  const { address } = await bridge(t, kafka, "--allow-origin", "https://shop.example");
  let opened = 0;
  class Evil extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { origin: "https://evil.example" });
      opened++;
    }
  }
  const producer = await producing(t, { WebSocket: Evil, bridge: `ws://${address}`, bootstrap: kafka.bootstrap, reconnectBackoffMs: 1, reconnectBackoffMaxMs: 1 });
  const flushed = Promise.allSettled([producer.send(kafka.topic, "x"), producer.flush()]);
  const [{ reason }] = await flushed;
  assert.deepEqual([reason.code, reason.outcome, reason.retriable], ["BRIDGE_FORBIDDEN", "not-written", false]);
  const before = opened;
  await new Promise((resolve) => setTimeout(resolve, 500));
  assert.equal(opened, before);
  assert.equal((await error(producer.send(kafka.topic, "y"))).code, "BRIDGE_FORBIDDEN");
});
