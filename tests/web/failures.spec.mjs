// Backends that are missing, refuse, go away in the middle of a run, or panic.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { dist } from "../../scripts/paths.mjs";
import { launchChromium, launchFirefox } from "./harness/browsers.mjs";
import { MANIFEST_PATH } from "./harness/default-model.mjs";
import { openSite } from "./harness/site.mjs";

let site;
before(async () => (site = await openSite()));
after(() => site.close());

/** Opens the test page in a fresh browser for the length of `work`. */
async function inBrowser(launch, work) {
  const browser = await launch();
  try {
    await work(await browser.open(`${site.url}test.html`), browser);
  } finally {
    await browser.close();
  }
}

describe("a browser whose WebGPU cannot be used", { timeout: 120_000 }, () => {
  const places = [
    ["offers no WebGPU (Firefox)", () => launchFirefox({ webgpu: false }), /no WebGPU/],
    ["refuses an adapter (Chromium)", () => launchChromium({ webgpu: false }), /no adapter/],
  ];
  for (const [name, launch, reason] of places) {
    it(`${name}: WebGPU by force is an error, by choice it is the CPU`, async () => {
      await inBrowser(launch, async (page) => {
        const seen = await page.evaluate(async (manifest) => {
          const forced = await outcome(Tenstep.load({ manifest, backend: "webgpu" }));
          const tenstep = await Tenstep.load({ manifest });
          await tenstep.generate({ steps: 1 });
          return { error: forced.error, backend: tenstep.backend };
        }, MANIFEST_PATH);
        assert.equal(seen.error?.code, "webgpu-unavailable", JSON.stringify(seen.error));
        assert.equal(seen.backend.backend, "cpu");
        assert.match(seen.backend.reason, reason);
      });
    });
  }
});

describe("a lost device", { timeout: 400_000 }, () => {
  it("ends the run with device-lost; the next picture is made on a new device", async () => {
    await inBrowser(() => launchChromium({ webgpu: true }), async (page, { browser }) => {
      await page.evaluate(async (manifest) => {
        window.tenstep = await Tenstep.load({ manifest, backend: "webgpu" });
        const { promise, resolve } = Promise.withResolvers();
        window.lost = outcome(tenstep.generate({ prompt: "a", width: 32, height: 32, steps: 1000, onStep: resolve }));
        await promise;
      }, MANIFEST_PATH);
      await crashGpuProcess(browser);
      const { error } = await page.evaluate(() => lost);
      assert.equal(error?.code, "device-lost", JSON.stringify(error));
      const next = await page.evaluate(async () => {
        const { error, value } = await outcome(tenstep.generate({ prompt: "a", width: 32, height: 32, steps: 1 }));
        return { error, backend: tenstep.backend.backend, deviation: value && facts(value).deviation };
      });
      assert.equal(next.error, undefined, JSON.stringify(next.error));
      assert.equal(next.backend, "webgpu");
      assert.ok(next.deviation > 0);
    });
  });
});

describe("a panic", { timeout: 120_000 }, () => {
  // A trap inside the real module: the glue's `step` runs a wasm function whose body is `unreachable`, once.
  const TRAP = `
    const step = Engine.prototype.step;
    Engine.prototype.step = function (run) {
      Engine.prototype.step = step;
      return (async () => new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([
        0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 5, 1, 3, 0, 0, 11,
      ]))).exports.f())();
    };`;

  it("ends the picture with engine-crashed; the next is made by a new engine", async () => {
    const glue = readFileSync(join(dist, "tenstep", "wasm", "tenstep_cpu.js"), "utf8");
    await inBrowser(() => launchChromium({ webgpu: false }), async (page) => {
      site.answerBytes("/tenstep/wasm/tenstep_cpu.js", Buffer.from(glue + TRAP), "text/javascript");
      const failed = await page.evaluate(async (manifest) => {
        window.tenstep = await Tenstep.load({ manifest });
        return (await outcome(tenstep.generate({ steps: 1 }))).error;
      }, MANIFEST_PATH);
      site.reset();
      assert.equal(failed?.code, "engine-crashed", JSON.stringify(failed));
      const next = await page.evaluate(async () => (await outcome(tenstep.generate({ steps: 1 }))).error ?? "fine");
      assert.equal(next, "fine");
    });
  });
});

/** A real loss: `device.destroy()` would be none. */
async function crashGpuProcess(browser) {
  const session = await browser.newBrowserCDPSession();
  await session.send("Browser.crashGpuProcess");
}
