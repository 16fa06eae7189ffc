// The end of a run: whatever happens meanwhile, nothing of it stays on an engine.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { answerWithTellingFakes, listenToEngines } from "./fake/telling.mjs";
import { launchChromium } from "./harness/browsers.mjs";
import { openSite } from "./harness/site.mjs";

describe("a run", { timeout: 240_000 }, () => {
  let site, browser, page;

  before(async () => {
    site = await openSite();
    answerWithTellingFakes(site);
    browser = await launchChromium({ webgpu: false });
  });
  // A fresh page each time: workers of the last may still have something to tell.
  beforeEach(async () => {
    await page?.close();
    page = await browser.open(`${site.url}test.html`);
    await page.evaluate(listenToEngines);
    await page.evaluate(() => {
      window.load = (options) => Tenstep.load({ manifest: "/fake/manifest.json", ...options });
      /** A run after two steps, that loses its engine in the third. */
      window.startDoomed = async (tenstep, then, onInterruption = () => undefined) => {
        const prompt = `fake: device lost once${then}`;
        // With the engine go its runs.
        const run = await tenstep.start({ prompt, onInterruption: () => (runsLeft.clear(), onInterruption()) });
        await run.step();
        await run.step();
        await until("its start", () => told.start === 1);
        return run;
      };
      /** Ends once the engine has made another picture and has no run any more. */
      window.untilNoRunIsLeft = async (tenstep) => {
        const before = told.start ?? 0;
        await tenstep.generate({ steps: 1 });
        await until("the end of runs", () => told.start > before && runsLeft.size === 0);
        await tenstep.dispose();
      };
    });
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });

  it("is not taken to another engine when it was disposed as that was lost, or in the load", async () => {
    const seen = await page.evaluate(async () => {
      let onLoad;
      const tenstep = await load({ onProgress: ({ phase }) => phase === "download" && onLoad?.() });
      const lost = await startDoomed(tenstep, "", () => lost.dispose());
      const codes = [(await outcome(lost.step())).error?.code];
      await untilNoRunIsLeft(tenstep);
      told = {};
      const other = await load({ onProgress: ({ phase }) => phase === "download" && onLoad?.() });
      const loading = await startDoomed(other, "");
      onLoad = () => loading.dispose();
      codes.push((await outcome(loading.step())).error?.code);
      await untilNoRunIsLeft(other);
      return codes;
    });
    assert.deepEqual(seen, ["disposed", "disposed"]);
  });

  it("leaves the other engine when it is disposed on the way there", async () => {
    const code = await page.evaluate(async () => {
      const tenstep = await load();
      const run = await startDoomed(tenstep, ", then endless");
      const step = outcome(run.step());
      await until("its start on the other", () => told.start === 2);
      await run.dispose();
      const { code } = (await step).error;
      await untilNoRunIsLeft(tenstep);
      return code;
    });
    assert.equal(code, "disposed");
  });

  it("leaves the other engine when it does not get to where it stood", async () => {
    const codes = await page.evaluate(async () => {
      const tenstep = await load();
      const run = await startDoomed(tenstep, ", then no memory");
      const codes = [];
      for (let count = 0; count < 3; count++) codes.push((await outcome(run.step())).error?.code);
      await untilNoRunIsLeft(tenstep);
      return codes;
    });
    assert.deepEqual(codes, Array(3).fill("out-of-memory"));
  });

  it("does not stay when its start is aborted, whether the worker has begun with it or not", async () => {
    const names = await page.evaluate(async () => {
      const tenstep = await load();
      const abort = new AbortController();
      const starting = [1, 2].map(() => outcome(tenstep.start({ prompt: "fake: slow start", signal: abort.signal })));
      // Until the worker has been asked.
      await new Promise((resolve) => setTimeout(resolve));
      abort.abort();
      const names = (await Promise.all(starting)).map(({ error }) => error?.name);
      await untilNoRunIsLeft(tenstep);
      return names;
    });
    assert.deepEqual(names, ["AbortError", "AbortError"]);
  });
});
