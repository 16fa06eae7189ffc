// Weights go through host memory a few shards at a time: the renderer's peak does not grow with the model.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { answerWithBallast } from "./harness/ballast.mjs";
import { spawnChromium } from "./harness/browsers.mjs";
import { MANIFEST_PATH } from "./harness/default-model.mjs";
import { openSite } from "./harness/site.mjs";

const GROWTH_LIMIT_KIB = 48 * 1024;
const PAGE = `<!doctype html><script type="module">
  import { Tenstep } from "./tenstep/index.js";
  let error = null, loadedBytes = 0;
  try {
    const onProgress = (progress) => (loadedBytes = progress.loadedBytes);
    await Tenstep.load({ manifest: "${MANIFEST_PATH}", backend: "webgpu", onProgress });
  } catch (thrown) {
    error = String(thrown);
  }
  await fetch("/report", { method: "POST", body: JSON.stringify({ error, loadedBytes }) });
</script>`;

describe("peak memory of the renderer", { timeout: 400_000 }, () => {
  let site;
  before(async () => {
    site = await openSite();
    site.answerBytes("/load.html", Buffer.from(PAGE), "text/html");
  });
  after(() => site.close());

  it("with 256 MiB more of weights on WebGPU exceeds that with 1 MiB more by at most 48 MiB", async () => {
    const small = await peakWhileLoading(1);
    const large = await peakWhileLoading(256);
    console.log(`renderer peak: ${small} KiB with 1 MiB, ${large} KiB with 256 MiB, ${large - small} KiB apart`);
    assert.ok(large - small <= GROWTH_LIMIT_KIB, `${large - small} KiB`);
  });

  async function peakWhileLoading(mebibytes) {
    answerWithBallast(site, mebibytes);
    const reported = new Promise((resolve) => site.answer("/report", (request, response) => request.on("data", resolve) && response.end()));
    const chromium = spawnChromium(`${site.url}load.html`);
    try {
      const { error, loadedBytes } = JSON.parse(await reported);
      assert.equal(error, null);
      assert.ok(loadedBytes >= mebibytes << 20, "the ballast was loaded");
      // The page's renderer is the largest. A worker's heap is invisible to the page, so the operating system is asked.
      return Math.max(...chromium.renderers().map(peakKibibytes));
    } finally {
      await chromium.close();
    }
  }
});

function peakKibibytes(pid) {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
}
