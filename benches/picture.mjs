// What a visitor waits for and downloads, on the page in dist/.

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { brotliCompressSync, constants } from "node:zlib";
import { dist } from "../scripts/paths.mjs";
import { launchChromium } from "../tests/web/harness/browsers.mjs";
import { openSite } from "../tests/web/harness/site.mjs";
import { median } from "./statistics.mjs";

/** Most pictures timed, after one to warm up. */
const PICTURES = 5;
/** Most visits by somebody new, each with a second visit. */
const VISITORS = 3;
/** Until a new window is drawn, and the browser idle. */
const WINDOW_MILLIS = 2500;
/** Of a visit until the engine is ready, in this order: benches/visit.html. */
const PARTS = ["page_ms", "engine_ms", "shards_ms", "networks_ms"];
const VISIT = new URL("visit.html", import.meta.url);

/** Milliseconds and bytes, medians; less is repeated where `seconds` have passed. */
export async function measurePictures(backend, { adapter, seconds }) {
  const site = await openSite();
  site.answerBytes("/visit.html", await readFile(VISIT), "text/html");
  const chromium = await launchChromium({ webgpu: backend === "webgpu", adapter });
  try {
    const visits = [];
    for (const began = Date.now(); visits.length === 0 || (visits.length < VISITORS && Date.now() < began + 1000 * seconds); ) {
      visits.push(await visitTwice(chromium.browser, site, backend));
    }
    const ready = visits.map(({ parts }) => PARTS.reduce((sum, part) => sum + parts[part], 0));
    return {
      visitors: visits.length,
      cold_start_to_picture_ms: median(visits.map(({ cold }) => cold)),
      second_visit_ready_ms: median(ready),
      second_visit_to_picture_ms: median(visits.map(({ parts }, visit) => ready[visit] + parts.picture_ms)),
      second_visit: Object.fromEntries(PARTS.map((name) => [name, median(visits.map(({ parts }) => parts[name]))])),
      ...(await warmPictures(chromium.browser, site, { backend }, seconds)),
      ...(backend === "cpu" && { one_thread: await warmPictures(chromium.browser, site, { backend, threads: 1 }, seconds) }),
      ...(await downloadedBytes(site.requests)),
    };
  } finally {
    await chromium.close();
    await site.close();
  }
}

/** From the first visit's navigation to its picture, and what the parts of the second one took. */
async function visitTwice(browser, site, backend) {
  const context = await browser.newContext();
  try {
    const first = await openWindow(context);
    await first.goto(`${site.url}?backend=${backend}&seed=1&prompt=a+red+apple`);
    const shown = () => document.querySelector('#picture[data-state="result"]') !== null && performance.now();
    const cold = await (await first.waitForFunction(shown, null, { timeout: 600_000 })).jsonValue();
    await first.close();

    const second = await openWindow(context);
    await second.goto(`${site.url}visit.html?backend=${backend}`);
    return { cold, parts: await second.evaluate(() => window.visit) };
  } finally {
    await context.close();
  }
}

/** Nobody is sent anywhere before the browser has drawn the window: until then it is busy on the same cores. */
async function openWindow(context) {
  const page = await context.newPage();
  await setTimeout(WINDOW_MILLIS);
  return page;
}

/** `engine`: load options that say which. */
async function warmPictures(browser, site, engine, seconds) {
  const page = await testPage(browser, site);
  const warm = await page.evaluate(makePictures, { engine, most: PICTURES, seconds });
  await page.close();
  const of = (part) => median(warm.map(part));
  return {
    pictures: warm.length,
    steps: warm[0].steps.length,
    picture_ms: of(({ total }) => total),
    text_ms: of(({ text }) => text),
    steps_ms: of(({ steps }) => steps.reduce((sum, millis) => sum + millis, 0)),
    decode_ms: of(({ decode }) => decode),
  };
}

/** In the browser. */
async function makePictures({ engine, most, seconds }) {
  const tenstep = await window.Tenstep.load({ manifest: "/models/default/manifest.json", ...engine });
  const picture = async (seed) => (await tenstep.generate({ prompt: "a red apple", seed })).timings;
  await picture(0);
  const timings = [];
  for (const end = performance.now() + 1000 * seconds; timings.length === 0 || (timings.length < most && performance.now() < end); ) {
    timings.push(await picture(timings.length + 1));
  }
  await tenstep.dispose();
  return timings;
}

async function testPage(context, site) {
  const page = await context.newPage();
  page.setDefaultTimeout(0);
  await page.goto(`${site.url}test.html`);
  await page.waitForFunction(() => window.isReady);
  return page;
}

/** Of what was fetched: code as brotli packs it, and the model, which is packed already. */
async function downloadedBytes(requests) {
  const sizes = { code_brotli_bytes: 0, model_bytes: 0 };
  for (const path of new Set(requests)) {
    const file = path === "/" ? "/index.html" : path;
    const bytes = await readFile(join(dist, file)).catch(() => null);
    if (bytes === null) continue;
    if (file.startsWith("/models/")) sizes.model_bytes += bytes.length;
    else sizes.code_brotli_bytes += brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
  }
  return sizes;
}
