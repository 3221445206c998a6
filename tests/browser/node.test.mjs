// The same package in Node: bad input, which needs no page, and a run against the bridge.
import assert from "node:assert/strict";
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
    [{ acks: 0, enableIdempotence: true }, /acks/],
    [{ bridge: undefined }, /`bridge` is missing/],
    [{ bridge: "http://x" }, /must begin with ws:\/\//],
    [{ bridge: "nonsense" }, /is no URL/],
    [{ bridge: "ws://x/#y" }, /fragment/],
    [{ bootstrap: undefined }, /`bootstrap` is missing/],
    [{ bootstrap: "b" }, /must be HOST:PORT/],
    [{ bootstrap: "b:0" }, /must be HOST:PORT/],
    [{ bootstrap: "b:9092,c:99999" }, /c:99999/],
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
  const cases = [
    [["t"], /needs a value/],
    [["t", 5], /value must be a string, Uint8Array, ArrayBuffer or null, not number/],
    [["t", {}], /value must be/],
    [["t", "a\ud800b"], /lone surrogate/],
    [["t", "\udc00"], /lone surrogate/],
    [["t", gone], /transferred away/],
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
  for (const [call, message] of cases) assert.match((await error(producer.send(...call))).message, message);
  const late = await error(producer.send("t", "x"));
  assert.deepEqual([late.code, late.retriable], ["NO_METADATA", true]);
  const open = producer.send("t", "x");
  await producer.close({ timeoutMs: 1 });
  assert.equal((await error(open)).outcome, "not-written");
  assert.equal((await error(producer.send("t", "x"))).code, "PRODUCER_CLOSED");
  await producer.close();
  await producer.flush();
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
  for (let n = 0; n < 50; n++) await produce();
  const grown = memory.buffer.byteLength - early;
  assert.ok(grown <= 2 << 16, `50 producers of 2 MB each have left ${grown} bytes`);
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
  const producer = await KafkaProducer.connect({ ...GOOD, maxBlockMs: 400, requestTimeoutMs: 200, ...options });
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
