// A page that nobody looks at: another tab hides it, and the browser may freeze it. Nothing is lost by that.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { launchChromiumWithTabs } from "./harness/browsers.mjs";
import { MANIFEST_PATH, sizeOf } from "./harness/default-model.mjs";
import { openSite } from "./harness/site.mjs";

/** Enough for a picture to be under way when the page is hidden. */
const STEPS = { cpu: 100, webgpu: 6 };
const FROZEN_MILLIS = 1500;

for (const backend of ["cpu", "webgpu"]) {
  describe(`a page in the background, on ${backend}`, { timeout: 300_000 }, () => {
    let site, browser, page, other, undisturbed;
    before(async () => {
      site = await openSite();
      browser = await launchChromiumWithTabs({ webgpu: backend === "webgpu" });
      page = await browser.open(`${site.url}test.html`);
      undisturbed = await page.evaluate(async (manifest, backend, picture) => {
        window.tenstep = await Tenstep.load({ manifest, backend });
        window.draw = async () => {
          const made = await tenstep.generate({ ...picture, onStep: () => window.steps.push({ at: performance.now(), seen: document.visibilityState }) });
          return { data: facts(made).data, interruptions: made.interruptions };
        };
        for (const event of ["freeze", "resume"]) document.addEventListener(event, () => (window[event] = performance.now()));
        window.steps = [];
        return draw();
      }, MANIFEST_PATH, backend, { prompt: "a red apple", seed: 7, steps: STEPS[backend], ...sizeOf(4) });
      other = await browser.browser.newPage();
    });
    after(async () => {
      await browser?.close();
      await site?.close();
    });

    /** Begins the picture again, and hides the page once it has made a step. */
    async function hiddenInTheMidst() {
      await page.bringToFront();
      await page.evaluate(() => {
        window.steps = [];
        window.picture = draw();
      });
      await page.waitForFunction(() => window.steps.length > 0);
      await other.bringToFront();
    }

    it("goes on with a picture while it is hidden", async () => {
      await hiddenInTheMidst();
      assert.deepEqual(await page.evaluate(() => picture), undisturbed);
      const seen = await page.evaluate(() => window.steps.map(({ seen }) => seen));
      assert.equal(seen.at(0), "visible");
      assert.equal(seen.at(-1), "hidden");
    });

    it("halts while it is frozen, and then goes on with the same picture", async () => {
      const lifecycle = await page.createCDPSession();
      await hiddenInTheMidst();
      await lifecycle.send("Page.setWebLifecycleState", { state: "frozen" });
      await setTimeout(FROZEN_MILLIS);
      await lifecycle.send("Page.setWebLifecycleState", { state: "active" });
      assert.deepEqual(await page.evaluate(() => picture), undisturbed);
      const { freeze, resume, at } = await page.evaluate(() => ({ freeze, resume, at: window.steps.map(({ at }) => at) }));
      assert.ok(resume - freeze > 0.9 * FROZEN_MILLIS, `frozen from ${freeze} to ${resume}`);
      assert.ok(at.at(-1) > resume, "it was not done when it froze");
      assert.deepEqual(at.filter((at) => at > freeze && at < resume), []);
    });
  });
}
