// Waiting for the GPU lasts as long as its work, also where the browser looks only every 100 ms whether that is done.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { launchChromium, launchFirefox } from "./harness/browsers.mjs";
import { MANIFEST_PATH, sizeOf } from "./harness/default-model.mjs";
import { openSite } from "./harness/site.mjs";

const READS = 9;
const LIMIT_MILLIS = 50;

describe("reading latents back", { timeout: 300_000 }, () => {
  let site;
  before(async () => (site = await openSite()));
  after(() => site.close());

  for (const [name, launch] of [["Firefox", launchFirefox], ["Chromium", launchChromium]]) {
    it(`in ${name} takes less than half of a 100 ms poll`, async () => {
      const browser = await launch({ webgpu: true });
      try {
        const page = await browser.open(`${site.url}test.html`);
        const times = await page.evaluate(async ([manifest, reads, size]) => {
          const tenstep = await Tenstep.load({ manifest, backend: "webgpu" });
          const run = await tenstep.start({ prompt: "a", ...size, steps: 1 });
          await run.step();
          await run.latents();
          const times = [];
          for (let read = 0; read < reads; read++) {
            const began = performance.now();
            await run.latents();
            times.push(performance.now() - began);
          }
          await tenstep.dispose();
          return times;
        }, [MANIFEST_PATH, READS, sizeOf(2)]);
        times.sort((one, other) => one - other);
        console.log(`${name}: ${times.map((time) => time.toFixed(1)).join(", ")} ms`);
        // The third fastest: others may have waited for a busy machine, but no poll ends early three times.
        assert.ok(times[2] < LIMIT_MILLIS, `${times[2]} ms`);
      } finally {
        await browser.close();
      }
    });
  }
});
