// Headless Chromium with a profile of its own.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium as driver } from "playwright-core";

const FLAGS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];

/** Starts it; `end` ends it. */
export async function chromium() {
  const profile = await mkdtemp(join(tmpdir(), "kurier-chromium-"));
  const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
  const context = await driver.launchPersistentContext(profile, { executablePath, args: FLAGS, headless: true });
  const end = async () => {
    await context.close();
    await rm(profile, { recursive: true, force: true });
  };
  return { context, end };
}
