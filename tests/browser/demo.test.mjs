// The demo page as a visitor sees it: it streams, survives a cut, and is what its pictures show.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile } from "node:fs/promises";
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

/** Texts whose contrast with what is behind them is less than WCAG's 4.5, and what else people without a mouse or eyes stumble over. */
function barriers() {
  const rgb = (text) => text.match(/[\d.]+/g).map(Number);
  const light = ([r, g, b]) => [0.2126 * r, 0.7152 * g, 0.0722 * b].reduce((sum, part) => sum + part);
  const linear = (color) => rgb(color).slice(0, 3).map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  const behind = (element) => {
    const { backgroundColor } = getComputedStyle(element);
    return rgb(backgroundColor)[3] === 0 ? behind(element.parentElement) : backgroundColor;
  };
  const found = [];
  for (const element of document.body.querySelectorAll("*")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "");
    if (!hasText) continue;
    const [a, b] = [getComputedStyle(element).color, behind(element)].map((color) => light(linear(color)) + 0.05);
    const contrast = Math.max(a, b) / Math.min(a, b);
    if (contrast < 4.5) found.push(`${element.tagName} "${element.textContent.trim()}": ${contrast.toFixed(2)}`);
  }
  for (const element of document.querySelectorAll("canvas, section.charts, .table, section.status")) {
    if (!element.getAttribute("aria-label")) found.push(`${element.tagName} has no name`);
  }
  // What speaks by itself every second would never be quiet.
  if (document.querySelectorAll("output, [aria-live], [role=status]").length !== 1) found.push("one thing speaks by itself");
  return found;
}

const number = async (page, id) => Number((await page.textContent(`#${id}`)).replaceAll(",", ""));

test("what the producer never tells of, and a place that it tells of twice, are shown as lost", { timeout: 60_000 }, async (t) => {
  const kafka = await cluster(t);
  const { address } = await bridge(t, kafka);
  const words = new URLSearchParams({ bridge: `ws://${address}`, bootstrap: kafka.bootstrap, topic: kafka.topic, "outcome-ms": "500" });
  const top = await site(t);
  const producer = await readFile(new URL("../../wasm/js/page.js", import.meta.url), "utf8");
  for (const [right, wrong] of [
    ["entry.resolve({", "if (this.acknowledged % 10) entry.resolve({"],
    ["offset + n,", "Math.max(0, offset + n - (this.acknowledged % 10 === 0)),"],
  ]) {
    assert.ok(producer.includes(right));
    const page = await browser.context.newPage();
    const body = producer.replace(right, wrong);
    await page.route("**/js/page.js", (route) => route.fulfill({ body, contentType: "text/javascript" }));
    await page.goto(`${top}?${words}`);
    while ((await number(page, "lost")) < 3) await page.waitForTimeout(100);
    await page.close();
  }
});

test("the demo streams, is cut, and loses nothing", { timeout: 120_000 }, async (t) => {
  const kafka = await cluster(t);
  const { address } = await bridge(t, kafka);
  const page = await browser.context.newPage();
  const errors = [];
  page.on("pageerror", (error) => errors.push(String(error)));
  const words = new URLSearchParams({ bridge: `ws://${address}`, bootstrap: kafka.bootstrap, topic: kafka.topic });
  const where = `${await site(t)}?${words}`;
  await page.goto(where);
  const until = async (id, least) => {
    while ((await number(page, id)) < least) await page.waitForTimeout(100);
  };
  await until("acknowledged", 100);
  await page.mouse.move(10, 10);
  await page.mouse.move(300, 300, { steps: 30 });
  await page.focus("#cut");
  await page.keyboard.press("Enter");
  await page.waitForSelector("#state.down");
  assert.equal(await page.evaluate("document.activeElement.id"), "cut", "the keyboard's place is kept");
  const during = await number(page, "acknowledged");
  await page.waitForSelector("#state.up", { timeout: 20_000 });
  await until("acknowledged", during + 150);
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await page.evaluate(barriers), [], colorScheme);
  }
  if (pictures) {
    await mkdir(pictures, { recursive: true });
    await page.evaluate("document.activeElement.blur()");
    await page.waitForTimeout(4000);
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
  while ((await number(page, "underway")) > 0) await page.waitForTimeout(100);
  await page.waitForTimeout(1100);
  assert.equal(await number(page, "lost"), 0);
  assert.equal(await number(page, "failed"), 0);
  assert.ok((await number(page, "retries")) > 0, "the cut was amid a request");
  assert.deepEqual(errors, []);
  const acknowledged = await number(page, "acknowledged");
  await page.close();
  const values = (await log(kafka)).map(({ key, value }) => key + value);
  assert.equal(values.length, acknowledged, "each is in the log once");
  assert.ok(values.some((value) => value.startsWith("pointer")) && values.some((value) => value.startsWith("frame")));
});
