// The package in a real page: headless Chromium, the real bridge, the embedded broker or a real cluster.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { chromium } from "./chromium.mjs";
import { inOrder, page, stage, stream, until } from "./page.mjs";
import { bridge, cluster, log, onlyValue } from "./servers.mjs";

const LIMIT = { timeout: 120_000 };

let browser;
before(async () => {
  browser = await chromium();
});
after(() => browser?.end());

const open = (t, how) => page(t, browser, how);

test("a record's Promise tells where it is in the log", LIMIT, async (t) => {
  const { kafka, options } = await stage(t);
  const page = await open(t);
  const found = await page.evaluate(async ([options, topic]) => {
    const producer = await kurier.KafkaProducer.connect(options);
    const first = await producer.send(topic, "one", { partition: 1 });
    const second = await producer.send(topic, "two", { partition: 1, timestamp: new Date(1_700_000_000_000) });
    await producer.close();
    return [first, second];
  }, [options, kafka.topic]);
  assert.deepEqual(found.map(({ topic, partition, offset }) => [topic, partition, offset]), [
    [kafka.topic, 1, 0],
    [kafka.topic, 1, 1],
  ]);
  assert.equal(found[1].timestamp, 1_700_000_000_000);
  assert.deepEqual((await log(kafka)).map(({ value }) => value), ["one", "two"]);
});

test("100 000 records with keys, headers and binary values are in the log once, in order per key", LIMIT, async (t) => {
  const { kafka, options } = await stage(t);
  const page = await open(t);
  const COUNT = 100_000;
  const places = await page.evaluate(async ([options, topic, COUNT]) => {
    const producer = await kurier.KafkaProducer.connect(options);
    const places = [];
    for (let n = 0; n < COUNT; n += 5000) {
      const sent = Array.from({ length: 5000 }, (_, i) => {
        const key = `k${(n + i) % 17}`;
        // Every other value is no text: a zero, what UTF-8 never has, and the number in parts that are no line's end.
        const bytes = Uint8Array.from([0, 0xff, 14, 7, 0].map((shift, at) => (at < 2 ? shift : 0x80 | ((n + i) >> shift) & 0x7f)));
        const value = i % 2 ? bytes : `v${n + i}`;
        return producer.send(topic, value, { key, headers: [["n", String(n + i)], ["none", null]] });
      });
      for (const { partition, offset } of await Promise.all(sent)) places.push(`${partition}/${offset}`);
    }
    await producer.close();
    return places;
  }, [options, kafka.topic, COUNT]);
  assert.equal(new Set(places).size, COUNT, "no two records at one place");
  const records = await log(kafka, "latin1");
  assert.equal(records.length, COUNT);
  const next = new Map();
  for (const { key, value, partition, offset, headers } of records) {
    const parts = /^\x00\xff([\x80-\xff]{3})$/.exec(value)?.[1];
    const n = parts ? [...parts].reduce((sum, part) => sum * 128 + (part.charCodeAt(0) & 0x7f), 0) : Number(value.slice(1));
    assert.equal(parts !== undefined, n % 2 === 1, "text and bytes in turn");
    assert.equal(places[n], `${partition}/${offset}`, "where its Promise said");
    assert.equal(key, `k${n % 17}`);
    assert.match(headers, new RegExp(`^n=${n},none=`));
    assert.ok(n > (next.get(key) ?? -1), "in order");
    next.set(key, n);
  }
});

test("every byte arrives as it was", LIMIT, async (t) => {
  const { kafka, options } = await stage(t);
  const page = await open(t);
  await page.evaluate(async ([options, topic]) => {
    const producer = await kurier.KafkaProducer.connect(options);
    const bytes = Uint8Array.from({ length: 100_000 }, (_, n) => (n * 31 + (n >> 8)) & 0xff);
    await producer.send(topic, bytes.buffer);
    await producer.close();
  }, [options, kafka.topic]);
  const expected = Buffer.from(Uint8Array.from({ length: 100_000 }, (_, n) => (n * 31 + (n >> 8)) & 0xff));
  assert.ok(expected.equals(await onlyValue(kafka)));
});

test("a bridge that dies and comes back loses and doubles nothing", LIMIT, async (t) => {
  const { kafka, options, address, stop } = await stage(t);
  let up = { stop };
  const page = await open(t, { mayGrumble: true });
  const running = stream(page, options, kafka.topic);
  for (const least of [300, 1200]) {
    await until(page, (least) => globalThis.progress > least, least);
    await up.stop();
    await new Promise((resolve) => setTimeout(resolve, 300));
    up = await bridge(t, kafka, "--listen", address);
  }
  const { count, states } = await running;
  assert.ok(states.includes("disconnected") && states.at(-1) === "connected", states.join());
  inOrder(await log(kafka), count);
});

test("what was acknowledged before a page is closed is in the log", LIMIT, async (t) => {
  const { kafka, options } = await stage(t);
  const page = await open(t);
  await page.evaluate(async ([options, topic]) => {
    const producer = await kurier.KafkaProducer.connect(options);
    globalThis.acknowledged = 0;
    const next = (n) => producer.send(topic, `v${n}`).then(() => (globalThis.acknowledged++, next(n + 4)));
    [0, 1, 2, 3].forEach((n) => void next(n));
  }, [options, kafka.topic]);
  await until(page, () => globalThis.acknowledged > 100);
  const acknowledged = await page.evaluate("globalThis.acknowledged");
  await page.close();
  const values = (await log(kafka)).map(({ value }) => value);
  assert.ok(values.length >= acknowledged, `${values.length} of ${acknowledged}`);
  assert.equal(new Set(values).size, values.length);
});

test("a worker and a shared worker produce, too", LIMIT, async (t) => {
  const { kafka, options } = await stage(t);
  const page = await open(t);
  const counts = await page.evaluate(async ([options, topic]) => {
    const ask = (port) => new Promise((resolve) => {
      port.onmessage = ({ data }) => resolve(data);
      port.postMessage({ options, topic, count: 500 });
    });
    const own = new Worker("/worker.js", { type: "module" });
    const shared = new SharedWorker("/worker.js", { type: "module" });
    return Promise.all([ask(own), ask(shared.port)]);
  }, [options, kafka.topic]);
  assert.deepEqual(counts, [500, 500]);
  assert.equal((await log(kafka)).length, 1000);
});

test("several producers in one page do not see one another", LIMIT, async (t) => {
  const { kafka, options } = await stage(t);
  const page = await open(t);
  const counts = await page.evaluate(async ([options, topic]) => {
    const connect = () => kurier.KafkaProducer.connect(options);
    const producers = await Promise.all(Array.from({ length: 5 }, connect));
    const all = producers.flatMap((producer, p) => Array.from({ length: 200 }, (_, n) => producer.send(topic, `${p} ${n}`)));
    await producers[0].close();
    await Promise.all(all);
    const counts = producers.map((producer) => producer.metrics().acknowledged);
    await Promise.all(producers.map((producer) => producer.close()));
    return counts;
  }, [options, kafka.topic]);
  assert.deepEqual(counts, [200, 200, 200, 200, 200]);
  assert.equal((await log(kafka)).length, 1000);
});


test("a topic that is not allowed is refused at once, and others go on", LIMIT, async (t) => {
  const { kafka, options } = await stage(t);
  const page = await open(t, { mayGrumble: true });
  const errors = await page.evaluate(async ([options, topic]) => {
    const producer = await kurier.KafkaProducer.connect(options);
    const error = await producer.send("secret", "x").catch((error) => error);
    const after = await producer.send(topic, "y");
    await producer.close();
    const late = await producer.send(topic, "z").catch((error) => error);
    return [error, late].map(({ code, outcome, retriable }) => ({ code, outcome, retriable })).concat(after.topic);
  }, [options, kafka.topic]);
  assert.deepEqual(errors, [
    { code: "TOPIC_AUTHORIZATION_FAILED", outcome: "not-written", retriable: false },
    { code: "PRODUCER_CLOSED", outcome: "not-written", retriable: false },
    kafka.topic,
  ]);
});

test("a page without the right token is told so", LIMIT, async (t) => {
  const kafka = await cluster(t);
  const folder = await mkdtemp(join(tmpdir(), "kurier-token-"));
  t.after(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, "token"), "0123456789abcdef\n");
  const { address } = await bridge(t, kafka, "--token-file", join(folder, "token"));
  const page = await open(t, { mayGrumble: true });
  const options = { bridge: `ws://${address}`, bootstrap: kafka.bootstrap };
  const attempt = ([options, topic]) => kurier.KafkaProducer.connect(options).then((producer) => producer.send(topic, "x")).then(
    ({ offset }) => offset, ({ code, message }) => `${code}: ${message}`,
  );
  assert.equal(await page.evaluate(attempt, [options, kafka.topic]), "BRIDGE_UNAUTHORIZED: a token is needed (option `token`)");
  const wrong = { ...options, token: "0123456789abcdeF" };
  assert.equal(await page.evaluate(attempt, [wrong, kafka.topic]), "BRIDGE_UNAUTHORIZED: the token is wrong");
  const right = { ...options, token: "0123456789abcdef" };
  assert.equal(await page.evaluate(attempt, [right, kafka.topic]), 0);
});

test("a page of an origin that may not is told so", LIMIT, async (t) => {
  const kafka = await cluster(t);
  const { address } = await bridge(t, kafka, "--allow-origin", "https://shop.example");
  const page = await open(t, { mayGrumble: true });
  const found = await page.evaluate(async ([options, topic]) => {
    const producer = await kurier.KafkaProducer.connect(options);
    const { code, message, outcome, retriable } = await producer.send(topic, "x").catch((error) => error);
    return { code, message, outcome, retriable };
  }, [{ bridge: `ws://${address}`, bootstrap: kafka.bootstrap }, kafka.topic]);
  assert.deepEqual([found.code, found.outcome, found.retriable], ["BRIDGE_FORBIDDEN", "not-written", false]);
  assert.match(found.message, /origin/);
});

test("a bridge that is not there is in the error's sentence", LIMIT, async (t) => {
  const page = await open(t, { mayGrumble: true });
  const options = { bridge: "ws://127.0.0.1:9", bootstrap: "b:9092", maxBlockMs: 1500 };
  const error = await page.evaluate(async (options) => {
    const producer = await kurier.KafkaProducer.connect(options);
    const { code, message, outcome, retriable } = await producer.send("clicks", "x").catch((error) => error);
    await producer.close({ timeoutMs: 100 });
    return { code, message, outcome, retriable };
  }, options);
  assert.equal(error.code, "NO_METADATA");
  assert.match(error.message, /after 1500 ms \(b:9092: no connection\)/);
  assert.deepEqual([error.outcome, error.retriable], ["not-written", true]);
});

test("the module's memory is as large after a million records as after 100 000", LIMIT, async (t) => {
  const { kafka, options } = await stage(t);
  const page = await open(t);
  const [early, late] = await page.evaluate(async ([options, topic]) => {
    const producer = await kurier.KafkaProducer.connect(options);
    const { default: init } = await import("/kurier/generated/kurier_wasm.js");
    const { memory } = await init();
    const send = async (count) => {
      for (let n = 0; n < count; n += 1000) {
        await Promise.all(Array.from({ length: 1000 }, () => producer.send(topic, "0123456789".repeat(10))));
      }
      return memory.buffer.byteLength;
    };
    const sizes = [await send(100_000), await send(900_000)];
    await producer.close();
    return sizes;
  }, [options, kafka.topic]);
  assert.equal(late, early);
});
