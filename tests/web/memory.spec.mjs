// Weights go through host memory a few shards at a time: the renderer's peak does not grow with the model. And what a disposed
// engine held is given back: nothing grows with the number of engines there have been.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { answerWithBallast } from "./harness/ballast.mjs";
import { spawnChromium } from "./harness/browsers.mjs";
import { MANIFEST_PATH } from "./harness/default-model.mjs";
import { kibibytes, settledKibibytes } from "./harness/resident-memory.mjs";
import { openSite } from "./harness/site.mjs";

const GROWTH_LIMIT_KIB = 48 * 1024;
/** Cycles until every pool has found its size, and in all. */
const [WARM_CYCLES, CYCLES] = [15, 50];
/** Where a processor plays the GPU, a cycle takes many seconds. */
const BACKENDS = process.env.TENSTEP_GPU_CYCLES === "1" ? ["cpu", "webgpu"] : ["cpu"];
if (!BACKENDS.includes("webgpu")) console.log(`${CYCLES} cycles of load and dispose on WebGPU are left out; TENSTEP_GPU_CYCLES=1 runs them.`);
/** Less than one copy of the model takes, be it stored as int8: every cycle after the warm ones would lose one. */
const CYCLES_LIMIT_KIB = 10 * 1024;
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

/** Loads, draws and disposes, over and over; reports the cycle that has ended, and goes on when that is answered. */
const cyclesPage = (backend) => `<!doctype html><script type="module">
  import { Tenstep } from "./tenstep/index.js";
  const report = (message) => fetch("/report", { method: "POST", body: JSON.stringify(message) });
  try {
    for (let cycle = 1; cycle <= ${CYCLES}; cycle++) {
      const tenstep = await Tenstep.load({ manifest: "${MANIFEST_PATH}", backend: "${backend}" });
      if (cycle <= 2) await tenstep.generate({ prompt: "a red apple", steps: 1 });
      await tenstep.dispose();
      if (cycle === ${WARM_CYCLES} || cycle === ${CYCLES}) await report({ cycle });
    }
  } catch (thrown) {
    await report({ error: String(thrown) });
  }
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
      return Math.max(...chromium.processes("renderer").map((pid) => kibibytes(pid, "VmHWM")));
    } finally {
      await chromium.close();
    }
  }
});

for (const backend of BACKENDS) {
  describe(`memory over ${CYCLES} cycles of load and dispose on ${backend}`, { timeout: backend === "cpu" ? 600_000 : 3_600_000 }, () => {
    it("is flat in the renderer and the GPU process", () => flatOverCycles(backend));
  });
}

async function flatOverCycles(backend) {
  const site = await openSite();
  site.answerBytes("/cycles.html", Buffer.from(cyclesPage(backend)), "text/html");
  let chromium;
  const held = [];
  const ended = new Promise((resolve, reject) =>
    site.answer("/report", (request, response) => {
      request.on("data", async (data) => {
        const { error, cycle } = JSON.parse(data);
        if (error) return reject(new Error(error));
        held.push(await settledKibibytes(() => ["renderer", "gpu-process"].flatMap((type) => chromium.processes(type))));
        response.end();
        if (cycle === CYCLES) resolve();
      });
    }),
  );
  chromium = spawnChromium(`${site.url}cycles.html`);
  try {
    await ended;
    const [warm, last] = held;
    console.log(`${warm} KiB after ${WARM_CYCLES} cycles, ${last} KiB after ${CYCLES}, ${last - warm} KiB apart`);
    assert.ok(last - warm <= CYCLES_LIMIT_KIB, `${last - warm} KiB`);
  } finally {
    await chromium.close();
    await site.close();
  }
}
