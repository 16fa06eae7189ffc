// docs/pictures/*.png: the page in five states, and on a phone. `npm run build`, then `node docs/screenshot.mjs [folder]`.

import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { launchChromium } from "../tests/web/harness/browsers.mjs";
import { readManifest, readShard } from "../tests/web/harness/default-model.mjs";
import { openSite } from "../tests/web/harness/site.mjs";
import { smallPng } from "./small-png.mjs";

const LIMIT_BYTES = 600_000;
const PATIENCE = { timeout: 120_000 };
const folder = process.argv[2] ? resolve(process.argv[2]) : fileURLToPath(new URL("pictures", import.meta.url));
const APPLE = new URLSearchParams({ prompt: "a red apple", seed: "7" });
/** Pictures of the album, made before the ones that are looked at. */
const EARLIER = ["a panda", "a blue heart", "a sunflower", "a carrot", "a rocket", "a strawberry"];

const DESKTOP = { viewport: { width: 1120, height: 800 } };
/** High enough for the album. */
const TALL = { viewport: { width: 1120, height: 1180 } };
const PHONE = { viewport: { width: 320, height: 720 }, hasTouch: true, isMobile: true };

const site = await openSite();
const chromium = await launchChromium({ webgpu: false });
let total = 0;
try {
  await mkdir(folder, { recursive: true });
  await picture("empty", DESKTOP, async (page) => {
    await page.goto(site.url);
    await page.waitForSelector("#work", { state: "hidden", ...PATIENCE });
  });
  await picture("loading", { ...DESKTOP, colorScheme: "dark" }, async (page) => {
    holdLargestShard();
    await page.goto(`${site.url}?${APPLE}`);
    await page.waitForFunction(() => document.querySelector("#progress").value > 5e6, null, PATIENCE);
  });
  await picture("drawing", DESKTOP, async (page) => {
    await page.goto(site.url);
    await makeEarlier(page);
    // A moment later each step is over: wait for it where the page itself waits.
    await page.locator("#steps").fill("10");
    await page.locator("#prompt").fill("a red apple");
    await page.locator("#seed").fill("7");
    await page.locator("#prompt").press("Enter");
    await page.waitForFunction(() => document.querySelectorAll("#strip .done").length >= 5, null, PATIENCE);
  });
  await picture("finished", TALL, (page) => finished(page));
  await picture("error", { ...DESKTOP, colorScheme: "dark" }, async (page) => {
    await page.goto(`${site.url}?${APPLE}&backend=webgpu`);
    await page.waitForSelector("#error", PATIENCE);
  });
  await picture("phone", PHONE, (page) => finished(page));
} finally {
  await chromium.close();
  await site.close();
}
if (total > LIMIT_BYTES) throw new Error(`The pictures hold ${total} bytes together; at most ${LIMIT_BYTES} are wanted`);

/** One page brought into a state by `bring`, and how it then looks. */
async function picture(name, options, bring) {
  const context = await chromium.browser.newContext({ colorScheme: "light", reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  await bring(page);
  const path = join(folder, `${name}.png`);
  const bytes = smallPng(new Uint8Array(await page.screenshot()));
  await context.close();
  site.reset();
  await writeFile(path, bytes);
  total += bytes.length;
  console.log(`${path}: ${bytes.length} bytes`);
}

async function finished(page) {
  await page.goto(site.url);
  await makeEarlier(page);
  await make(page, "a red apple", "7");
  await page.evaluate(() => scrollTo(0, 0));
}

async function makeEarlier(page) {
  for (const [index, prompt] of EARLIER.entries()) await make(page, prompt, String(index + 1));
}

async function make(page, prompt, seed) {
  await page.locator("#prompt").fill(prompt);
  await page.locator("#seed").fill(seed);
  await page.locator("#prompt").press("Enter");
  await page.waitForFunction((alt) => document.querySelector("#result").alt === alt, `Generated picture: ${prompt}, seed ${seed}`, PATIENCE);
  await page.waitForSelector("#cancel", { state: "hidden", ...PATIENCE });
}

/** Sends half of the model's largest shard, and then no more. */
function holdLargestShard() {
  const shards = readManifest().components.flatMap(({ shards }) => shards);
  const { file } = shards.reduce((largest, shard) => (shard.bytes > largest.bytes ? shard : largest));
  const bytes = readShard(file);
  site.answer(`/models/default/${file}`, (_, response) => {
    response.writeHead(200, { "content-length": bytes.length });
    response.write(bytes.subarray(0, bytes.length / 2));
  });
}
