// Records that wait: whom they hold up, how many may, and a socket that takes no more. In Node, which needs no page for it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";
import { KafkaProducer } from "../../wasm/js/kurier.js";
import { bridge, cluster, log } from "./servers.mjs";

const LIMIT = { timeout: 60_000 };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const error = (promise) => promise.then(() => assert.fail("no error"), ({ code, message, retriable }) => ({ code, message, retriable }));

async function stage(t, options) {
  const kafka = await cluster(t);
  const { address } = await bridge(t, kafka);
  const producer = await KafkaProducer.connect({ WebSocket, bridge: `ws://${address}`, bootstrap: kafka.bootstrap, ...options });
  t.after(() => producer.close({ timeoutMs: 1 }));
  return { producer, topic: kafka.topic, kafka };
}

/** A producer whose bridge is not there. */
async function lonely(t, options) {
  const producer = await KafkaProducer.connect({ WebSocket, bridge: "ws://127.0.0.1:9", bootstrap: "b:9092", ...options });
  t.after(() => producer.close({ timeoutMs: 1 }));
  return producer;
}

test("a partition that is not there is told of at once, and holds up nobody", LIMIT, async (t) => {
  const { producer, topic, kafka } = await stage(t);
  // The topic is not known yet, and then it is.
  for (const round of ["a", "b"]) {
    const order = [];
    const wrong = error(producer.send(topic, "never", { partition: 99 })).finally(() => order.push("wrong"));
    const right = producer.send(topic, round, { partition: 2 }).finally(() => order.push("right"));
    const flushed = producer.flush().then(() => order.push("flushed"));
    assert.deepEqual(await wrong, { code: "INVALID_PARTITION", message: `topic ${topic} has no partition 99: it has 0 to 2`, retriable: false });
    assert.equal((await right).partition, 2);
    await flushed;
    if (round === "b") assert.deepEqual(order, ["right", "wrong", "flushed"]);
  }
  const { failed, acknowledged, waiting } = producer.metrics();
  assert.deepEqual([failed, acknowledged, waiting], [2, 2, 0]);
  assert.deepEqual((await log(kafka)).map(({ value }) => value), ["a", "b"]);
});

test("a topic that does not exist, and one that is not allowed, are called so", LIMIT, async (t) => {
  const { producer } = await stage(t, { maxBlockMs: 1500 });
  const missing = await error(producer.send("clicks-missing", "x"));
  assert.deepEqual([missing.code, missing.retriable], ["UNKNOWN_TOPIC_OR_PARTITION", true]);
  assert.match(missing.message, /the cluster has no topic clicks-missing: create it/);
  const secret = await error(producer.send("secret", "x"));
  assert.equal(secret.code, "TOPIC_AUTHORIZATION_FAILED");
  assert.match(secret.message, /topic secret is not allowed: .*--allow-topic.* ACLs/);
});

test("records that wait take `bufferMemory` at most, and `ready` says when there is room", LIMIT, async (t) => {
  const producer = await lonely(t, { bufferMemory: 1 << 20, maxBlockMs: 1000 });
  await producer.ready();
  const value = new Uint8Array(1000);
  const found = await Promise.all(Array.from({ length: 2000 }, () => error(producer.send("t", value))));
  const count = (code) => found.filter((error) => error.code === code).length;
  assert.ok(count("NO_METADATA") > 700 && count("NO_METADATA") * 1000 < 1 << 20, `${count("NO_METADATA")}`);
  assert.equal(count("NO_METADATA") + count("BUFFER_EXHAUSTED"), 2000);
  const full = found.find(({ code }) => code === "BUFFER_EXHAUSTED");
  assert.match(full.message, /records wait.*`bufferMemory`.*await producer\.ready\(\)/);
  assert.equal(full.retriable, true);
  // One that asks waits, and none is rejected for want of room.
  const [started, codes] = [performance.now(), new Set()];
  for (let n = 0; n < 1000; n++) {
    await producer.ready();
    error(producer.send("t", value)).then(({ code }) => codes.add(code));
  }
  assert.ok(performance.now() - started > 500, "it has waited");
  let isReady = false;
  for (let n = 0; n < 300; n++) void producer.send("t", value);
  void producer.ready().then(() => (isReady = true));
  await pause(10);
  assert.equal(isReady, false);
  await producer.close({ timeoutMs: 1 });
  assert.equal(isReady, true, "nobody waits for a producer that is closed");
  await producer.ready();
  assert.deepEqual([...codes], ["NO_METADATA"].concat(codes.size > 1 ? "PRODUCER_CLOSED" : []));
});

test("many that have waited too long are told of in pieces", LIMIT, async (t) => {
  const producer = await lonely(t, { maxBlockMs: 300 });
  const COUNT = 50_000;
  let [told, most, inThis] = [0, 0, 0];
  for (let n = 0; n < COUNT; n++) producer.send("t", "x").catch(() => (told++, (most = Math.max(most, ++inThis))));
  while (told < COUNT) {
    await new Promise((resolve) => setImmediate(resolve));
    inThis = 0;
  }
  assert.ok(most <= 4000, `${most} in one go`);
});

/** A WebSocket that says what the test wants of what it has not sent yet, and sends nothing meanwhile. */
function slow() {
  const state = { amount: 0, sent: 0, kept: [] };
  state.release = () => {
    state.amount = 0;
    state.kept.splice(0).forEach((send) => send());
  };
  class Slow extends WebSocket {
    get bufferedAmount() {
      return state.amount;
    }
    send(bytes) {
      state.sent++;
      if (state.amount > 0) state.kept.push(() => super.send(bytes));
      else super.send(bytes);
    }
  }
  return { state, Slow };
}

test("a socket that holds a megabyte is given no more, and is looked at again without an event", LIMIT, async (t) => {
  const { state, Slow } = slow();
  const { producer, topic } = await stage(t, { WebSocket: Slow, lingerMs: 0 });
  await producer.send(topic, "a", { partition: 0 });
  state.amount = 1 << 20;
  const before = state.sent;
  let isThere = false;
  const second = producer.send(topic, "b", { partition: 0 }).then(() => (isThere = true));
  await pause(300);
  assert.deepEqual([state.sent, isThere], [before, false]);
  state.amount = 0;
  const started = performance.now();
  await second;
  assert.ok(performance.now() - started < 1000);
});

test("without acknowledgements a record is over when the socket holds nothing of it any more", LIMIT, async (t) => {
  const { state, Slow } = slow();
  const { producer, topic, kafka } = await stage(t, { WebSocket: Slow, lingerMs: 0, acks: 0 });
  await producer.send(topic, "a", { partition: 0 });
  state.amount = 1;
  let isOver = false;
  const second = producer.send(topic, "b", { partition: 0 }).then(({ offset }) => ((isOver = true), offset));
  await pause(300);
  assert.deepEqual([isOver, state.kept.length > 0], [false, true]);
  state.release();
  const started = performance.now();
  assert.equal(await second, null);
  assert.ok(performance.now() - started < 1000);
  await producer.close();
  assert.deepEqual((await log(kafka)).map(({ value }) => value), ["a", "b"]);
});
