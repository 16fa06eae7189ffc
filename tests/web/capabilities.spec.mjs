// What the browser says it can do, held against what the engine then does. The rest is in unit/capabilities.spec.mjs.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, afterEach, before, describe, it } from "node:test";
import { dist } from "../../scripts/paths.mjs";
import { launchChromium } from "./harness/browsers.mjs";
import { MANIFEST_PATH, readManifest } from "./harness/default-model.mjs";
import { openSite } from "./harness/site.mjs";

const LIMIT = { timeout: 900_000 };
const SHARDS_IN_FLIGHT = 4;

/** Lets the page ask each worker how much memory its wasm module has. A partner is given a compiled module, which makes an instance alone. */
const WATCH_MEMORY = `{
  let memory;
  for (const name of ["instantiate", "instantiateStreaming"]) {
    const original = WebAssembly[name];
    WebAssembly[name] = async (...given) => {
      const made = await original.apply(WebAssembly, given);
      memory = (made.instance ?? made).exports.memory;
      return made;
    };
  }
  const channel = new BroadcastChannel("memory");
  channel.onmessage = () => channel.postMessage(memory.buffer.byteLength);
}
`;

for (const webgpu of [false, true]) {
  describe(`capabilities in Chromium ${webgpu ? "with a software adapter" : "without an adapter"}`, LIMIT, () => {
    let site, browser, page;
    before(async () => {
      site = await openSite();
      browser = await launchChromium({ webgpu });
      page = await browser.open(`${site.url}test.html`);
      await page.evaluate(async () => {
        window.devices = [];
        const { requestDevice } = globalThis.GPUAdapter?.prototype ?? {};
        if (!requestDevice) return;
        GPUAdapter.prototype.requestDevice = async function (...given) {
          const device = await requestDevice.apply(this, given);
          window.devices.push(device);
          return device;
        };
      });
    });
    after(async () => {
      await browser?.close();
      await site?.close();
    });
    afterEach(() => site.reset());
    const survey = (options) => page.evaluate(async (options) => (await import("./tenstep/index.js")).capabilities(options), options);

    it("are told before anything of the model but its manifest is fetched", async () => {
      site.requests.length = 0;
      const report = await survey({ manifest: MANIFEST_PATH });
      console.log(report.summary);
      assert.deepEqual(site.requests.filter((path) => path.startsWith("/models/") || path.endsWith(".wasm")), [MANIFEST_PATH]);
      assert.equal(report.backend, "cpu");
      assert.equal(report.wasm.simd, true);
      assert.equal(report.wasm.threads, false, "the page is not cross-origin isolated");
      assert.ok(report.speed.gflops > 0.1);
      if (!webgpu) return assert.equal(report.adapter, null);
      assert.equal(report.adapter.isSoftware, true);
      assert.match(report.adapter.architecture, /swiftshader/i);
      assert.equal(report.adapter.subgroups, true);
      assert.ok(report.adapter.limits.maxStorageBufferBindingSize >= 128 << 20);
      assert.match(report.reason, /software/);
    });

    if (!webgpu) {
      const SCRIPT = "/tenstep/survey/survey.js";
      /** In a page of its own, which has not fetched the script before. */
      const inNewPage = async (call, ...given) => {
        const page = await browser.open(`${site.url}test.html`);
        try {
          return await page.evaluate(call, ...given);
        } finally {
          await page.close();
        }
      };

      it("say that their script is missing, as other scripts of the package", async () => {
        site.answerStatus(SCRIPT, 404);
        const { error } = await inNewPage(() => outcome(import("./tenstep/index.js").then(({ capabilities }) => capabilities())));
        assert.deepEqual([error?.code, error?.isTenstepError], ["engine-unavailable", true]);
        assert.match(error.message, /survey\.js/);
      });

      it("end with an abort while their script is on its way", async () => {
        site.answer(SCRIPT, () => undefined);
        const { error } = await inNewPage(async () => {
          const { capabilities } = await import("./tenstep/index.js");
          const abort = new AbortController();
          const ended = outcome(capabilities({ signal: abort.signal }));
          abort.abort(new RangeError("mine"));
          return ended;
        });
        assert.deepEqual([error?.name, error?.message], ["RangeError", "mine"]);
      });

      it("refuse wrong options before anything is fetched", async () => {
        site.requests.length = 0;
        const { error } = await inNewPage(() => outcome(import("./tenstep/index.js").then(({ capabilities }) => capabilities({ steps: 0 }))));
        assert.equal(error?.code, "invalid-option");
        assert.ok(!site.requests.includes(SCRIPT));
      });
    }

    if (webgpu) {
      it("are measured on the adapter where that is asked for, on a device that is destroyed", async () => {
        const { speed } = await survey({ backend: "webgpu" });
        console.log(`SwiftShader: ${speed.gflops.toFixed(2)} GFLOP/s, an answer in ${speed.latencyMillis.toFixed(1)} ms`);
        assert.ok(speed.gflops > 0.001 && speed.latencyMillis >= 0);
        const ends = await page.evaluate(() => Promise.all(window.devices.map(async (device) => (await device.lost).reason)));
        assert.deepEqual(ends, ["destroyed"]);
      });
      return;
    }

    it("say of the default model what the engine says, and promise no picture sooner than it takes", async () => {
      const text = readFileSync(join(dist, "tenstep", "worker.js"), "utf8");
      site.answerBytes("/tenstep/worker.js", Buffer.from(WATCH_MEMORY + text), "text/javascript");
      const { model, threads } = await survey({ manifest: MANIFEST_PATH });
      const { evaluationFlops, wasmBytes, millis } = await page.evaluate(async ([manifest, threads]) => {
        const tenstep = await Tenstep.load({ manifest, backend: "cpu" });
        while (tenstep.backend.threads < threads) await new Promise((resolve) => setTimeout(resolve, 10));
        const { timings } = await tenstep.generate({ prompt: "a red apple" });
        const channel = new BroadcastChannel("memory");
        const bytes = [];
        await new Promise((resolve) => {
          channel.onmessage = ({ data }) => bytes.push(data) === threads && resolve();
          channel.postMessage("how much?");
        });
        const wasmBytes = bytes.reduce((sum, more) => sum + more, 0);
        return { evaluationFlops: tenstep.model.evaluationFlops, wasmBytes, millis: timings.steps.reduce((sum, step) => sum + step, 0) };
      }, [MANIFEST_PATH, threads]);

      const ratio = model.evaluationFlops / evaluationFlops;
      assert.ok(Math.abs(ratio - 1) < 0.02, `${ratio} of the engine's operations`);
      const largestShard = Math.max(...readManifest().components.flatMap(({ shards }) => shards.map(({ bytes }) => bytes)));
      const memory = (wasmBytes + SHARDS_IN_FLIGHT * largestShard) / model.memoryBytes;
      console.log(`memory ${memory.toFixed(2)} of the estimate; steps ${(millis / 1000).toFixed(2)} s, estimated ${model.estimate.seconds.toFixed(2)} s`);
      assert.ok(memory > 1 / 1.5 && memory < 1.5, `${memory} of the estimated memory`);
      // A busy machine takes longer than estimated by as much as it is busy; sooner by more than the estimate's error, never.
      assert.ok(model.estimate.seconds * 1000 < 2 * millis, `estimated ${model.estimate.seconds} s, took ${millis / 1000} s`);
    });
  });
}
