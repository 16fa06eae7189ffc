// What the page fetches to make a picture, model excluded, as it weighs under brotli.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { dist } from "../../scripts/paths.mjs";
import { launchChromium } from "./harness/browsers.mjs";
import { openSite } from "./harness/site.mjs";

const BUDGET_BYTES = { webgpu: 400_000, cpu: 600_000 };

describe("transfer", { timeout: 120_000 }, () => {
  let site, browser;
  before(async () => {
    site = await openSite();
    browser = await launchChromium({ webgpu: true });
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });

  for (const [backend, budget] of Object.entries(BUDGET_BYTES)) {
    it(`of JavaScript and wasm on ${backend} is at most ${budget / 1000} kB`, async () => {
      site.reset();
      const page = await browser.browser.newPage();
      await page.goto(`${site.url}?prompt=a+red+apple&steps=1&backend=${backend}`);
      await page.waitForSelector('#picture[data-state="result"]', { timeout: 100_000 });
      // What the page only fetches when it has nothing else to do counts too.
      await page.waitForLoadState("networkidle");
      await page.waitForTimeout(1500);
      await page.close();
      const files = [...new Set(site.requests)].filter((path) => /\.(js|wasm)$/.test(path));
      assert.ok(files.some((path) => path.endsWith(".wasm")), "a wasm module was among the requests");
      assert.equal(files.filter((path) => path.endsWith(".wasm")).length, 1, "and only one");
      const sizes = files.map((path) => [path, brotliCompressSync(readFileSync(join(dist, path))).length]);
      const total = sizes.reduce((sum, [, bytes]) => sum + bytes, 0);
      const largest = sizes.sort((a, b) => b[1] - a[1]).slice(0, 3).map(([path, bytes]) => `${path} ${bytes}`);
      console.log(`${backend}: ${total} bytes under brotli in ${files.length} files; ${largest.join(", ")}`);
      assert.ok(total <= budget, `${total} bytes`);
    });
  }
});
