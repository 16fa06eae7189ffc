// The hook `useTenstep` in React's strict mode, with the fake engine.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { answerWithFakes } from "./fake/site.mjs";
import { launchChromium } from "./harness/browsers.mjs";
import { openSite } from "./harness/site.mjs";

const FAKE = { name: "a", manifest: "/fake/manifest.json" };

describe("useTenstep", { timeout: 300_000 }, () => {
  let site, browser, page, script;

  before(async () => {
    const { outputFiles } = await build({
      entryPoints: [fileURLToPath(new URL("react/app.jsx", import.meta.url))],
      bundle: true,
      format: "esm",
      jsx: "automatic",
      write: false,
      define: { "process.env.NODE_ENV": '"development"' },
      // The library stays where it is, with its worker beside it.
      plugins: [{ name: "library", setup: ({ onResolve }) => onResolve({ filter: /^\.\.\/index\.js$/ }, () => ({ path: "/tenstep/index.js", external: true })) }],
    });
    script = Buffer.from(outputFiles[0].contents);
    site = await openSite();
    browser = await launchChromium({ webgpu: false });
  });
  beforeEach(async () => {
    answerWithFakes(site);
    site.requests.length = 0;
    site.answerBytes("/react.js", script, "text/javascript");
    site.answerBytes("/react.html", Buffer.from('<!doctype html><link rel="icon" href="data:,"><div id="root"></div><script type="module" src="react.js"></script>'), "text/html");
    await page?.close();
    page = await browser.open(`${site.url}react.html`);
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });

  /** The worker is kept for a moment after the last component has gone. */
  const noWorkers = async () => {
    while (page.workers().length > 0) await new Promise((resolve) => setTimeout(resolve, 50));
  };

  it("loads once in strict mode, for all components with the same model, and draws", async () => {
    const seen = await page.evaluate(async (probe) => {
      render(probe, { ...probe, name: "b" });
      await Promise.all([becomes("a", "ready"), becomes("b", "ready")]);
      const { seed, image } = await given.a.generate({ seed: 3, steps: 2 });
      return { seed, width: image.width, isShared: given.a.tenstep === given.b.tenstep, name: given.a.tenstep.model.name, first: statuses.a[0] };
    }, FAKE);
    assert.deepEqual(seen, { seed: 3, width: 64, isShared: true, name: "fake", first: "loading" });
    assert.equal(page.workers().length, 1);
    assert.equal(site.requests.filter((path) => path === "/fake/manifest.json").length, 1);
  });

  it("waits for the model where a picture is asked for early, and tells of the load", async () => {
    const seen = await page.evaluate(async (probe) => {
      render(probe);
      while (!given.a?.progress) await new Promise((resolve) => setTimeout(resolve, 1));
      const { phase } = given.a.progress;
      const { generate } = given.a;
      const { seed } = await generate({ seed: 4, steps: 1 });
      return { seed, isPhase: ["engine", "download", "compile"].includes(phase), isStable: generate === given.a.generate };
    }, FAKE);
    assert.deepEqual(seen, { seed: 4, isPhase: true, isStable: true });
  });

  it("aborts what a component that goes away had asked for, and frees the worker after the last", async () => {
    const outcomes = await page.evaluate(async (probe) => {
      render(probe, { ...probe, name: "b" });
      await Promise.all([becomes("a", "ready"), becomes("b", "ready")]);
      let hasBegun;
      const begun = new Promise((resolve) => (hasBegun = resolve));
      const first = outcome(given.a.generate({ steps: 1000, onStep: () => hasBegun() }));
      await begun;
      render({ ...probe, name: "b" });
      const gone = await first;
      const stays = await outcome(given.b.generate({ steps: 1, seed: 6 }));
      const { generate } = given.b;
      render();
      await new Promise((resolve) => setTimeout(resolve, 100));
      const late = await outcome(generate({ steps: 1 }));
      return [gone.name, stays.value.seed, late.code];
    }, FAKE);
    assert.deepEqual(outcomes, ["AbortError", 6, "disposed"]);
    await noWorkers();
  });

  it("hears the caller's own signal, while loading too", async () => {
    const name = await page.evaluate(async (probe) => {
      render(probe);
      while (!given.a) await new Promise((resolve) => setTimeout(resolve, 1));
      const abort = new AbortController();
      const drawing = outcome(given.a.generate({ signal: abort.signal, steps: 1000 }));
      abort.abort();
      return (await drawing).name;
    }, FAKE);
    assert.equal(name, "AbortError");
  });

  it("gives the error of a load that failed, loads again on retry, and follows its options", async () => {
    site.answerStatus("/fake/manifest.json", 404);
    const code = await page.evaluate(async (probe) => {
      render(probe);
      await becomes("a", "failed");
      return given.a.error.code;
    }, FAKE);
    assert.equal(code, "fetch-failed");
    answerWithFakes(site);
    const isShared = await page.evaluate(async (probe) => {
      given.a.retry();
      await becomes("a", "ready");
      // Until what failed has been let go.
      await new Promise((resolve) => setTimeout(resolve, 1500));
      render(probe, { ...probe, name: "b" });
      await becomes("b", "ready");
      return given.a.tenstep === given.b.tenstep;
    }, FAKE);
    assert.equal(isShared, true);
    const next = await page.evaluate(async (probe) => {
      const before = given.a.tenstep;
      render({ ...probe, manifest: "/fake/manifest.json?2" });
      while (given.a.tenstep === before) await new Promise((resolve) => setTimeout(resolve, 10));
      await becomes("a", "ready");
      return given.a.error;
    }, FAKE);
    assert.equal(next, null);
  });

  it("takes the options of load; a list made anew in each render is the same one", async () => {
    answerWithFakes(site, "/mirror");
    site.answerStatus("/fake/manifest.json", 404);
    const seen = await page.evaluate(async (probe) => {
      const again = () => render({ ...probe, mirrors: [new URL("/mirror/manifest.json", location.href)], store: "none", threads: 1, backend: undefined });
      again();
      await becomes("a", "ready");
      const { tenstep } = given.a;
      const { length } = statuses.a;
      again();
      while (statuses.a.length === length) await new Promise((resolve) => setTimeout(resolve, 10));
      return { store: tenstep.storage.kind, isKept: given.a.tenstep === tenstep };
    }, FAKE);
    assert.deepEqual(seen, { store: "none", isKept: true });
    assert.equal(site.requests.filter((path) => path === "/mirror/manifest.json").length, 1);
  });

  it("loads beside another, and anew beside a third", async () => {
    answerWithFakes(site, "/second");
    const shared = await page.evaluate(async (probe) => {
      const second = { ...probe, name: "b", manifest: "/second/manifest.json" };
      render(probe);
      await becomes("a", "ready");
      const beside = given.a.tenstep;
      render(probe, { ...second, beside });
      await becomes("b", "ready");
      const first = given.b.tenstep;
      render(probe, { ...second, beside }, { ...second, name: "c", beside: first });
      await becomes("c", "ready");
      return [given.b.tenstep === first, given.c.tenstep === first, (await given.c.generate({ seed: 5, steps: 1 })).seed];
    }, FAKE);
    assert.deepEqual(shared, [true, false, 5]);
    assert.equal(page.workers().length, 1);
  });

  it("gives the error of an option that is none of load's, or has another value", async () => {
    const codes = await page.evaluate(async (probe) => {
      const codeOf = async (name, options) => {
        render({ ...probe, ...options, name });
        await becomes(name, "failed");
        return [given[name].error.code, given[name].error.message.split(" ")[0]];
      };
      return [await codeOf("a", { threads: 3 }), await codeOf("b", { store: "disk" }), await codeOf("c", { mirrors: "/a" }), await codeOf("d", { thread: 1 })];
    }, FAKE);
    assert.deepEqual(codes, ["threads", "store", "mirrors", "options"].map((option) => ["invalid-option", option]));
  });
});
