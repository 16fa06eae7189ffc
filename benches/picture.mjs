// What a visitor waits for and downloads: `npm run build`, then `node benches/picture.mjs [cpu] [webgpu]`.
//
// Opens the page in Chromium, makes one picture to warm up and then five, and prints the median with where the time
// went, and the bytes of what the page fetched, as brotli packs them. WebGPU runs on the software adapter: its time says
// nothing about a GPU.

import { readFile } from "node:fs/promises";
import { cpus } from "node:os";
import { join } from "node:path";
import { brotliCompressSync, constants } from "node:zlib";
import { dist } from "../scripts/paths.mjs";
import { launchChromium } from "../tests/web/harness/browsers.mjs";
import { openSite } from "../tests/web/harness/site.mjs";

const PICTURES = 5;
const backends = process.argv.slice(2).length > 0 ? process.argv.slice(2) : ["cpu"];

console.log(`${cpus().length} × ${cpus()[0].model}`);
for (const backend of backends) await measure(backend);

async function measure(backend) {
  const site = await openSite();
  const chromium = await launchChromium({ webgpu: backend === "webgpu" });
  try {
    const page = await chromium.browser.newPage();
    await page.goto(`${site.url}?backend=${backend}&seed=1&prompt=a+red+apple`);
    await page.waitForSelector('#picture[data-state="result"]', { timeout: 600_000 });
    await printSizes(backend, site.requests);

    await page.goto(`${site.url}test.html`);
    await page.waitForFunction(() => window.isReady);
    const pictures = await page.evaluate(makePictures, { backend, count: PICTURES + 1 });
    const [median] = pictures.slice(1).sort((a, b) => a.total - b.total).slice(PICTURES >> 1);
    const sum = median.steps.reduce((total, millis) => total + millis, 0);
    const round = Math.round;
    console.log(
      `${backend}: a picture in ${round(median.total)} ms, median of ${PICTURES}: text ${round(median.text)}, ` +
        `${median.steps.length} steps ${round(sum)}, decode ${round(median.decode)}`,
    );
  } finally {
    await chromium.close();
    await site.close();
  }
}

/** In the browser. */
async function makePictures({ backend, count }) {
  const tenstep = await window.Tenstep.load({ manifest: "/models/default/manifest.json", backend });
  const timings = [];
  for (let seed = 1; seed <= count; seed++) {
    timings.push((await tenstep.generate({ prompt: "a red apple", seed })).timings);
  }
  await tenstep.dispose();
  return timings;
}

async function printSizes(backend, requests) {
  const sizes = { code: 0, model: 0 };
  for (const path of new Set(requests)) {
    const file = path === "/" ? "/index.html" : path;
    const bytes = await readFile(join(dist, file)).catch(() => null);
    if (bytes === null) continue;
    if (file.startsWith("/models/")) sizes.model += bytes.length;
    else sizes.code += brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }).length;
  }
  console.log(`${backend}: page, package and engine ${Math.round(sizes.code / 1000)} kB brotli; model ${(sizes.model / 1e6).toFixed(2)} MB`);
}
