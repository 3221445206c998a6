// The demo page as a visitor sees it: it streams, survives a cut, and is what its pictures show.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { chromium } from "./chromium.mjs";
import { bridge, cluster, log } from "./servers.mjs";

let browser;
before(async () => {
  browser = await chromium();
});
after(() => browser?.end());

/** Where pictures go, if they are wanted. */
const pictures = process.env.KURIER_PICTURES;

async function site(t) {
  const script = fileURLToPath(new URL("../../wasm/demo/serve.mjs", import.meta.url));
  const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(() => child.kill("SIGKILL"));
  const [said] = await once(child.stdout, "data");
  return String(said).trim();
}

test("the demo streams, is cut, and loses nothing", { timeout: 120_000 }, async (t) => {
  const kafka = await cluster(t);
  const { address } = await bridge(t, kafka);
  const page = await browser.context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  const words = new URLSearchParams({ bridge: `ws://${address}`, bootstrap: kafka.bootstrap, topic: kafka.topic });
  await page.goto(`${await site(t)}?${words}`);
  const number = async (id) => Number((await page.textContent(`#${id}`)).replaceAll(",", ""));
  const until = async (id, least) => {
    while ((await number(id)) < least) await page.waitForTimeout(100);
  };
  await until("acknowledged", 100);
  await page.mouse.move(10, 10);
  await page.mouse.move(300, 300, { steps: 30 });
  await page.click("#cut");
  await page.waitForSelector("#state.down");
  const during = await number("acknowledged");
  await page.waitForSelector("#state.up", { timeout: 20_000 });
  await until("acknowledged", during + 150);
  if (pictures) {
    await mkdir(pictures, { recursive: true });
    for (const [name, colorScheme, width] of [["light", "light", 1100], ["dark", "dark", 1100], ["phone", "light", 390]]) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: width > 500 ? 900 : 844 });
      await page.waitForTimeout(1200);
      await page.screenshot({ path: join(pictures, `demo-${name}.png`) });
    }
  }
  await page.setViewportSize({ width: 360, height: 740 });
  const isWide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.equal(isWide, false, "no sideways scrolling on a phone");
  await page.click("#pause");
  while ((await number("underway")) > 0) await page.waitForTimeout(100);
  assert.equal(await number("lost"), 0);
  assert.equal(await number("failed"), 0);
  assert.deepEqual(errors, []);
  const acknowledged = await number("acknowledged");
  await page.close();
  const values = (await log(kafka)).map(({ key, value }) => key + value);
  assert.ok(values.length >= acknowledged);
  assert.ok(values.some((value) => value.startsWith("pointer")) && values.some((value) => value.startsWith("frame")));
});
