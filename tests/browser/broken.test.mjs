// Producers that cannot go on: the module has failed, or a WebSocket of somebody's own amid it. Nothing hangs, and nothing is lost in silence.
import assert from "node:assert/strict";
import { test } from "node:test";
import { WebSocket } from "ws";
import { Core } from "../../wasm/generated/kurier_wasm.js";
import { KafkaProducer } from "../../wasm/js/kurier.js";
import { bridge, cluster } from "./servers.mjs";

const TIME = { timeout: 60_000 };
const NOT_WRITTEN = ["PRODUCER_FAILED", "not-written"];

async function start(t, more) {
  const kafka = await cluster(t);
  const { address } = await bridge(t, kafka);
  const options = { bridge: `ws://${address}`, bootstrap: kafka.bootstrap, WebSocket, ...more };
  const producer = await KafkaProducer.connect(options);
  // Of a test that fails, too: what is open would keep Node alive.
  t.after(() => producer.close({ timeoutMs: 0 }));
  return { options, topic: kafka.topic, producer };
}

/** What became of each: `written`, or the error's code and outcome. */
async function ends(promises) {
  const settled = await Promise.allSettled(promises);
  return settled.map(({ reason }) => (reason === undefined ? "written" : [reason.code, reason.outcome]));
}

/** From its call of this number on a method of the core ends as when its memory is at an end. Answers how many there were. */
function trap(t, method, first) {
  const real = Core.prototype[method];
  let calls = 0;
  Core.prototype[method] = function (...args) {
    if (++calls >= first) throw new WebAssembly.RuntimeError("unreachable");
    return real.apply(this, args);
  };
  t.after(() => (Core.prototype[method] = real));
  return () => calls;
}

test("a WebSocket of somebody's own that throws ends the producer, and nothing hangs", TIME, async (t) => {
  let isBad = false;
  class Bad extends WebSocket {
    get bufferedAmount() {
      if (isBad) throw new Error("no such number");
      return super.bufferedAmount;
    }
  }
  const { options, topic, producer } = await start(t, { WebSocket: Bad });
  await producer.send(topic, "a");
  isBad = true;
  const sent = [producer.send(topic, "b"), producer.send("clicks-unknown", "c")];
  await producer.flush();
  assert.deepEqual(await ends(sent), [["PRODUCER_FAILED", "maybe-written"], NOT_WRITTEN]);
  await assert.rejects(producer.send(topic, "d"), /make another one: no such number/);
  const { records, acknowledged, failed } = producer.metrics();
  assert.deepEqual([records, acknowledged, failed], [1, 1, 3], "the counters stay");
  await producer.close();
  isBad = false;
  const another = await KafkaProducer.connect(options);
  assert.equal((await another.send(topic, "e")).topic, topic);
  await another.close();
});

test("a module that fails as a record is sent is not called again", TIME, async (t) => {
  for (const method of ["send", "topic"]) {
    await t.test(method, async (t) => {
      const { topic, producer } = await start(t);
      await producer.send(topic, "a");
      const calls = trap(t, method, 1);
      const sent = ["b", "c", "d"].map((value) => producer.send("clicks-other", value));
      assert.deepEqual(await ends(sent), [NOT_WRITTEN, NOT_WRITTEN, NOT_WRITTEN]);
      await producer.close();
      await assert.rejects(producer.send(topic, "e"), { code: "PRODUCER_FAILED", retriable: false });
      assert.equal(calls(), 1);
      const { records, acknowledged, failed, waiting } = producer.metrics();
      assert.deepEqual([records, acknowledged, failed, waiting], [1, 1, 4, 0], "the counters stay");
    });
  }
});

test("a module that fails as it is flushed, asked for its counters or ended", TIME, async (t) => {
  for (const [method, call] of [["flush", "flush"], ["metrics", "metrics"], ["abort", "close"]]) {
    await t.test(method, async (t) => {
      const { topic, producer } = await start(t, { lingerMs: 60_000, deliveryTimeoutMs: 120_000 });
      const sent = producer.send(topic, "a");
      // Until it lies in a batch.
      while (producer.metrics().waiting > 0) await new Promise((resolve) => setTimeout(resolve, 5));
      const calls = trap(t, method, 1);
      await producer[call]({ timeoutMs: 0 });
      const [end] = await ends([sent]);
      // The end of `close` may come as soon as its flush does.
      if (call !== "close" || end !== "written") assert.deepEqual(end, ["PRODUCER_FAILED", "maybe-written"]);
      await assert.rejects(producer.send(topic, "b"), { code: "PRODUCER_FAILED" });
      await producer.flush();
      await producer.close();
      assert.deepEqual([calls(), producer.metrics().failed], [1, end === "written" ? 1 : 2]);
    });
  }
});

test("a module that fails as a record that waited is sent ends each record once", TIME, async (t) => {
  const { topic, producer } = await start(t, { lingerMs: 60_000, deliveryTimeoutMs: 120_000 });
  // They wait for metadata; then the first is handed over, and the second ends it all.
  const sent = ["a", "b", "c"].map((value) => producer.send(topic, value, { partition: 0 }));
  const waits = producer.send("clicks-unknown", "d");
  assert.equal(producer.metrics().waiting, 4);
  let handed = 0;
  const real = Core.prototype.send;
  t.after(() => (Core.prototype.send = real));
  Core.prototype.send = function (...args) {
    if (handed === 1) throw new WebAssembly.RuntimeError("unreachable");
    const serial = real.apply(this, args);
    if (serial >= 0) handed++;
    return serial;
  };
  assert.deepEqual(await ends([...sent, waits]), [["PRODUCER_FAILED", "maybe-written"], NOT_WRITTEN, NOT_WRITTEN, NOT_WRITTEN]);
  const { acknowledged, failed, waiting } = producer.metrics();
  assert.deepEqual([acknowledged, failed, waiting], [0, 4, 0]);
  await producer.close();
});
