// A page with the package loaded, and what a test has it do.
import assert from "node:assert/strict";
import { bridge, cluster, pages } from "./servers.mjs";

/** Waits for something in the page. The driver's own way needs `eval`, which the policy forbids. */
export async function until(page, is, argument) {
  while (!(await page.evaluate(is, argument))) await new Promise((resolve) => setTimeout(resolve, 10));
}

/** A page with the package loaded, which must end without a word on its console. */
export async function page(t, browser, { mayGrumble = false } = {}) {
  const origin = await pages(t);
  const page = await browser.context.newPage();
  const said = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  t.after(async () => {
    if (!page.isClosed()) {
      const unhandled = await page.evaluate("globalThis.unhandled");
      await page.close();
      assert.deepEqual(unhandled, []);
    }
    if (!mayGrumble) assert.deepEqual(said, []);
  });
  await page.goto(`${origin}/page.html`);
  await until(page, () => globalThis.kurier !== undefined);
  return page;
}

/** A cluster, a bridge to it, and a producer's options for both. */
export async function stage(t, ...words) {
  const kafka = await cluster(t);
  const { address, stop } = await bridge(t, kafka, ...words);
  return { kafka, stop, address, options: { bridge: `ws://${address}`, bootstrap: kafka.bootstrap } };
}

/** Has the page send 3000 records in at least 3 seconds, and tells what it saw; `globalThis.progress` are acknowledged. */
export function stream(page, options, topic) {
  return page.evaluate(async ([options, topic]) => {
    const COUNT = 3000;
    const producer = await kurier.KafkaProducer.connect(options);
    const states = [];
    producer.addEventListener("state", ({ detail }) => states.push(detail.state));
    const sent = [];
    globalThis.progress = 0;
    for (let n = 0; n < COUNT; n++) {
      sent.push(producer.send(topic, `v${n}`, { key: `k${n % 5}` }).then((place) => (globalThis.progress++, place)));
      if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const places = await Promise.all(sent);
    const { retries } = producer.metrics();
    await producer.close();
    return { count: places.length, states, retries };
  }, [options, topic]);
}

/** The records of `stream` are there once each, in order per key. */
export function inOrder(records, count) {
  assert.equal(records.length, count, "once each");
  const next = new Map();
  for (const { key, value } of records) {
    const n = Number(value.slice(1));
    assert.ok(n > (next.get(key) ?? -1), "in order");
    next.set(key, n);
  }
}
