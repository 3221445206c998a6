// Headless Chromium with a profile of its own.
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium as driver } from "playwright-core";

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

async function profile() {
  const folder = await mkdtemp(join(tmpdir(), "kurier-chromium-"));
  return { folder, remove: () => rm(folder, { recursive: true, force: true, maxRetries: 5 }) };
}

/** Starts it; `end` ends it. */
export async function chromium() {
  const { folder, remove } = await profile();
  const context = await driver.launchPersistentContext(folder, { executablePath, args: FLAGS, headless: true });
  const end = async () => {
    await context.close();
    await remove();
  };
  return { context, end };
}

/** The same, with tabs as a visitor has them: one is in front and the others are hidden. The driver's own have all in front. */
export async function tabbed() {
  const { folder, remove } = await profile();
  const words = ["--headless=new", ...FLAGS, `--user-data-dir=${folder}`, "--remote-debugging-port=0", "about:blank"];
  const child = spawn(executablePath, words, { stdio: ["ignore", "ignore", "pipe"] });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const address = await new Promise((resolve, reject) => {
    let said = "";
    child.stderr.on("data", (data) => {
      said += data;
      const found = /listening on (ws:\S+)/.exec(said);
      if (found) resolve(found[1]);
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`Chromium ended with ${code}: ${said}`)));
  });
  const browser = await driver.connectOverCDP(address, { noDefaults: true });
  const end = async () => {
    await browser.close();
    child.kill("SIGKILL");
    await ended;
    await remove();
  };
  return { context: browser.contexts()[0], end };
}
