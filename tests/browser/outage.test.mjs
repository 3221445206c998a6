// A page whose real broker is killed and started again, by the test that has started this one: a file that is made asks for it.
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { chromium } from "./chromium.mjs";
import { inOrder, page, stage, stream, until } from "./page.mjs";
import { log } from "./servers.mjs";

let browser;
before(async () => {
  browser = await chromium();
});
after(() => browser?.end());

test("a broker that is killed and comes back loses and doubles nothing", { timeout: 180_000 }, async (t) => {
  const { kafka, options } = await stage(t);
  const tab = await page(t, browser, { mayGrumble: true });
  const running = stream(tab, { ...options, retryBackoffMaxMs: 500, reconnectBackoffMaxMs: 500 }, kafka.topic);
  await until(tab, () => globalThis.progress > 600);
  await writeFile(process.env.KURIER_PAGE_OUTAGE, "now");
  const { count, states } = await running;
  assert.ok(states.includes("disconnected") && states.at(-1) === "connected", states.join());
  inOrder(await log(kafka), count);
});
