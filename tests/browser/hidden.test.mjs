// A tab that goes behind another one, and a page that is left: what lingers goes at once.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { tabbed } from "./chromium.mjs";
import { page, stage, until } from "./page.mjs";
import { log } from "./servers.mjs";

const LIMIT = { timeout: 120_000 };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let browser;
before(async () => {
  browser = await tabbed();
});
after(() => browser?.end());

/** Has the page send one record that arrives, and some that linger for longer than the test lasts. */
async function lingering(t, options, topic, count) {
  const tab = await page(t, browser);
  await tab.evaluate(async ([options, topic, count]) => {
    globalThis.producer = await kurier.KafkaProducer.connect({ ...options, lingerMs: 100_000 });
    const first = producer.send(topic, "first");
    await producer.flush();
    await first;
    globalThis.progress = 0;
    for (let n = 0; n < count; n++) void producer.send(topic, `v${n}`, { partition: n % 3 }).then(() => globalThis.progress++);
  }, [options, topic, count]);
  await pause(300);
  assert.equal(await tab.evaluate("globalThis.progress"), 0, "they linger");
  return tab;
}

test("a tab that goes behind another one sends what lingers, and goes on there", LIMIT, async (t) => {
  const { kafka, options } = await stage(t);
  const tab = await lingering(t, options, kafka.topic, 9);
  const other = await browser.context.newPage();
  await other.bringToFront();
  await until(tab, () => globalThis.progress === 9);
  assert.equal(await tab.evaluate("document.visibilityState"), "hidden");
  const late = await tab.evaluate(async ([options, topic]) => {
    const producer = await kurier.KafkaProducer.connect(options);
    const sent = [];
    // A timer of a hidden page takes a second.
    for (let n = 9; n < 13; n++) {
      sent.push(producer.send(topic, `v${n}`));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    const places = await Promise.all(sent);
    await producer.close();
    return places.length;
  }, [options, kafka.topic]);
  assert.equal(late, 4);
  await tab.evaluate("globalThis.producer.close()");
  await other.close();
  assert.equal(new Set((await log(kafka)).map(({ value }) => value)).size, 14);
});

// A browser says both of a page that is left; some have said one only.
for (const silenced of ["visibilitychange", "pagehide"]) {
  test(`a page that is left for another sends what lingers, without ${silenced}`, LIMIT, async (t) => {
    const { kafka, options } = await stage(t);
    const tab = await lingering(t, options, kafka.topic, 9);
    await tab.evaluate((name) => addEventListener(name, (event) => event.stopImmediatePropagation(), true), silenced);
    await tab.goto("about:blank");
    await tab.close();
    const deadline = Date.now() + 10_000;
    for (;;) {
      const values = (await log(kafka)).map(({ value }) => value);
      assert.equal(new Set(values).size, values.length);
      if (values.length === 10) break;
      assert.ok(Date.now() < deadline, `${values.length} of 10`);
      await pause(200);
    }
  });
}
