// docs/page.png: the page with a picture on it. `npm run build`, then `node docs/screenshot.mjs [prompt] [seed]`.

import { stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { launchChromium } from "../tests/web/harness/browsers.mjs";
import { openSite } from "../tests/web/harness/site.mjs";

const LIMIT_BYTES = 200_000;
const path = fileURLToPath(new URL("page.png", import.meta.url));
const [prompt = "a red apple", seed = "7"] = process.argv.slice(2);

const site = await openSite();
const chromium = await launchChromium({ webgpu: false });
try {
  const page = await chromium.browser.newPage({ viewport: { width: 1040, height: 720 }, colorScheme: "light", reducedMotion: "reduce" });
  await page.goto(`${site.url}?${new URLSearchParams({ prompt, seed })}`);
  await page.waitForSelector('#picture[data-state="result"]', { timeout: 120_000 });
  await page.screenshot({ path });
} finally {
  await chromium.close();
  await site.close();
}

const { size } = await stat(path);
if (size > LIMIT_BYTES) throw new Error(`${path} holds ${size} bytes; at most ${LIMIT_BYTES} are wanted in a README`);
console.log(`${path}: ${size} bytes`);
