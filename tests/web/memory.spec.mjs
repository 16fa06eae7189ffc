// Weights go through host memory a few shards at a time: the renderer's peak does not grow with the model.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { answerWithBallast } from "./harness/ballast.mjs";
import { launchChromium } from "./harness/browsers.mjs";
import { MANIFEST_PATH } from "./harness/default-model.mjs";
import { openSite } from "./harness/site.mjs";

const GROWTH_LIMIT_KIB = 48 * 1024;

describe("peak memory of the renderer", { timeout: 240_000 }, () => {
  let site;
  before(async () => (site = await openSite()));
  after(() => site.close());

  it("with 256 MiB more of weights on WebGPU exceeds that with 1 MiB more by at most 48 MiB", async () => {
    const small = await peakWhileLoading(1);
    const large = await peakWhileLoading(256);
    console.log(`renderer peak: ${small} KiB with 1 MiB, ${large} KiB with 256 MiB, ${large - small} KiB apart`);
    assert.ok(large - small <= GROWTH_LIMIT_KIB, `${large - small} KiB`);
  });

  async function peakWhileLoading(mebibytes) {
    answerWithBallast(site, mebibytes);
    const browser = await launchChromium({ webgpu: true });
    try {
      const page = await browser.open(`${site.url}test.html`);
      const { error, loadedBytes } = await page.evaluate(async (manifest) => {
        let loadedBytes = 0;
        const onProgress = (progress) => (loadedBytes = progress.loadedBytes);
        const { error, value } = await outcome(Tenstep.load({ manifest, backend: "webgpu", onProgress }));
        const generated = value && (await outcome(value.generate({ steps: 1 })));
        return { error: error ?? generated.error, loadedBytes };
      }, MANIFEST_PATH);
      assert.equal(error, undefined, JSON.stringify(error));
      assert.ok(loadedBytes >= mebibytes << 20, "the ballast was loaded");
      return await peakOfRenderers(browser.browser);
    } finally {
      await browser.close();
      site.reset();
    }
  }
});

/** The page's renderer is the largest; the operating system knows its peak, since a worker's heap is invisible to the page. */
async function peakOfRenderers(browser) {
  const session = await browser.newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const peaks = processInfo
    .filter(({ type }) => type === "renderer")
    .map(({ id }) => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${id}/status`, "utf8"))[1]));
  return Math.max(...peaks);
}
