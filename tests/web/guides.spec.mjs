// The samples of the guides that need nothing but the package run as they stand there, on the fake engine.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { transform } from "esbuild";
import { answerWithFakes } from "./fake/site.mjs";
import { fakeModel } from "./fake/model.mjs";
import { launchChromium } from "./harness/browsers.mjs";
import { codeBlocks, readDocument } from "./harness/markdown.mjs";
import { openSite } from "./harness/site.mjs";

const GUIDES = ["docs/guides/running.md", "docs/guides/worker.md"];
/** What is said after a sample that only defines a function. */
const CALLS = {
  draw: 'await Promise.all([draw("a red apple"), draw("a red fox")]);',
  mount: "mount()(); await Promise.resolve();",
};
/** The package lies at one address of this site. */
const SITE = { "/vendor/tenstep/": "/tenstep/" };

const PAGE = `<!doctype html><link rel="icon" href="data:,">
  <canvas></canvas><progress></progress><button></button>
  <script type="importmap">{ "imports": { "tenstep": "/tenstep/index.js" } }</script>
  <script type="module">
    import { Tenstep } from "tenstep";
    const manifest = "/models/default/manifest.json";
    const [canvas, progress, button] = ["canvas", "progress", "button"].map((name) => document.querySelector(name));
    const tenstep = await Tenstep.load({ manifest });
    Object.assign(window, { manifest, tenstep, canvas, progress, button, context: canvas.getContext("2d"), isReady: true });
  </script>`;

describe("samples of the guides", { timeout: 300_000 }, () => {
  let site, chromium;
  before(async () => {
    site = await openSite();
    answerWithFakes(site);
    for (const [file, bytes] of fakeModel()) {
      for (const model of ["default", "other"]) site.answerBytes(`/models/${model}/${file}`, bytes);
    }
    site.answerBytes("/guide.html", Buffer.from(PAGE), "text/html");
    chromium = await launchChromium({ webgpu: false });
  });
  after(async () => {
    await chromium?.close();
    await site?.close();
  });

  for (const path of GUIDES) {
    it(`run: ${path}`, async () => {
      const page = await chromium.open(`${site.url}guide.html`);
      const samples = codeBlocks(readDocument(path)).filter(({ language }) => language === "ts");
      assert.ok(samples.length > 2, `${samples.length} samples`);
      for (const { code, line } of samples) {
        const call = CALLS[/^(?:export )?(?:async )?function (\w+)/m.exec(code)?.[1]] ?? "";
        const here = Object.entries(SITE).reduce((text, [from, to]) => text.replaceAll(from, to), code);
        const { code: script } = await transform(`${here}\n${call}`, { loader: "ts", target: "es2022" });
        site.answerBytes(`/sample-${line}.js`, Buffer.from(script), "text/javascript");
        const error = await page.evaluate((address) => import(address).then(() => null, (error) => String(error.stack ?? error)), `/sample-${line}.js`);
        assert.equal(error, null, `${path}:${line}`);
      }
      await page.close();
    });
  }
});
