// A page whose network goes away, whose broker hangs, and whose way is another proxy.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { chromium } from "./chromium.mjs";
import { inOrder, page, stage, stream, until } from "./page.mjs";
import { bridge, cluster, kurier, log, proxy } from "./servers.mjs";

const LIMIT = { timeout: 120_000 };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let browser;
before(async () => {
  browser = await chromium();
});
after(() => browser?.end());

test("a network that goes offline and comes back loses and doubles nothing", LIMIT, async (t) => {
  const { kafka, options } = await stage(t);
  const tab = await page(t, browser, { mayGrumble: true });
  const running = stream(tab, { ...options, requestTimeoutMs: 1000 }, kafka.topic);
  await until(tab, () => globalThis.progress > 300);
  await browser.context.setOffline(true);
  await pause(500);
  const before = await tab.evaluate("globalThis.progress");
  await pause(3000);
  const during = await tab.evaluate("globalThis.progress");
  await browser.context.setOffline(false);
  const { count, states } = await running;
  assert.equal(during, before, "offline is offline");
  assert.ok(states.includes("disconnected") && states.at(-1) === "connected", states.join());
  inOrder(await log(kafka), count);
});

test("a broker that hangs and goes on loses and doubles nothing", LIMIT, async (t) => {
  const broker = await kurier(t, "broker", "--listen", "127.0.0.1:0", "--topic", "clicks:3");
  const kafka = { bootstrap: broker.address, topic: "clicks" };
  const { address } = await bridge(t, kafka);
  const tab = await page(t, browser, { mayGrumble: true });
  const options = { bridge: `ws://${address}`, bootstrap: kafka.bootstrap, requestTimeoutMs: 1000 };
  const running = stream(tab, options, kafka.topic);
  await until(tab, () => globalThis.progress > 300);
  process.kill(broker.pid, "SIGSTOP");
  await pause(3000);
  process.kill(broker.pid, "SIGCONT");
  const { count, retries, states } = await running;
  assert.ok(retries > 0, "it was waited for no longer than requestTimeoutMs");
  assert.ok(states.includes("disconnected") && states.at(-1) === "connected", states.join());
  inOrder(await log(kafka), count);
});

test("a generic proxy carries it, too", LIMIT, async (t) => {
  const kafka = await cluster(t);
  const { port } = await proxy(t, kafka.bootstrap);
  const tab = await page(t, browser);
  const options = { bridge: `ws://127.0.0.1:${port}/{host}/{port}`, bootstrap: kafka.bootstrap };
  const { count } = await stream(tab, options, kafka.topic);
  inOrder(await log(kafka), count);
});
