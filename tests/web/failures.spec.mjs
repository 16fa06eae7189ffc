// Backends that are missing, refuse, go away in the middle of a run, or panic.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { dist } from "../../scripts/paths.mjs";
import { crashGpuProcess, launchChromium, launchFirefox } from "./harness/browsers.mjs";
import { MANIFEST_PATH, sizeOf } from "./harness/default-model.mjs";
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

/** worker.js, after some other code. */
const workerAfter = (code) => Buffer.from(`{${code}}\n` + readFileSync(join(dist, "tenstep", "worker.js"), "utf8"));

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
  it("is replaced under a picture, on the same backend", async () => {
    await inBrowser(() => launchChromium({ webgpu: true }), async (page, { browser }) => {
      await page.evaluate(async ([manifest, size]) => {
        window.tenstep = await Tenstep.load({ manifest, backend: "webgpu" });
        const { promise, resolve } = Promise.withResolvers();
        window.picture = outcome(tenstep.generate({ prompt: "a", ...size, steps: 10, onStep: resolve }));
        await promise;
      }, [MANIFEST_PATH, sizeOf(2)]);
      await crashGpuProcess(browser);
      const { error, codes, backend, deviation } = await page.evaluate(async () => {
        const { error, value } = await picture;
        return { error, codes: value?.interruptions.map(({ code }) => code), backend: tenstep.backend.backend, deviation: value && facts(value).deviation };
      });
      assert.equal(error, undefined, JSON.stringify(error));
      assert.deepEqual(codes, ["device-lost"]);
      assert.equal(backend, "webgpu");
      assert.ok(deviation > 0);
    });
  });

  it("is known as one where the browser tells of it after all that fails for it", async () => {
    // As WebGPU has it, work counts as done then, and mappings are refused; Chromium leaves both open.
    const tellLate = `
      const lost = Object.getOwnPropertyDescriptor(GPUDevice.prototype, "lost").get;
      const late = (info) => new Promise((resolve) => setTimeout(resolve, 100, info));
      Object.defineProperty(GPUDevice.prototype, "lost", { get() { return lost.call(this).then(late); } });
      const { requestDevice } = GPUAdapter.prototype;
      const { onSubmittedWorkDone } = GPUQueue.prototype;
      const { mapAsync } = GPUBuffer.prototype;
      GPUAdapter.prototype.requestDevice = async function (...given) {
        const device = await requestDevice.apply(this, given);
        const gone = lost.call(device);
        const refused = gone.then(() => Promise.reject(new DOMException("the device is lost", "AbortError")));
        GPUQueue.prototype.onSubmittedWorkDone = function () { return Promise.race([onSubmittedWorkDone.call(this), gone]); };
        GPUBuffer.prototype.mapAsync = function (...given) { return Promise.race([mapAsync.apply(this, given), refused]); };
        new BroadcastChannel("device").onmessage = () => device.destroy();
        return device;
      };`;
    await inBrowser(() => launchChromium({ webgpu: true }), async (page) => {
      site.answerBytes("/tenstep/worker.js", workerAfter(tellLate), "text/javascript");
      const { error, codes, deviation } = await page.evaluate(async ([manifest, size]) => {
        const tenstep = await Tenstep.load({ manifest, backend: "webgpu" });
        const { promise, resolve } = Promise.withResolvers();
        const picture = outcome(tenstep.generate({ prompt: "a", ...size, steps: 10, onStep: resolve }));
        await promise;
        new BroadcastChannel("device").postMessage("is lost");
        const { error, value } = await picture;
        return { error, codes: value?.interruptions.map(({ code }) => code), deviation: value && facts(value).deviation };
      }, [MANIFEST_PATH, sizeOf(2)]);
      site.reset();
      assert.equal(error, undefined, JSON.stringify(error));
      assert.deepEqual(codes, ["device-lost"]);
      assert.ok(deviation > 0);
    });
  });
});

describe("a pipeline that the browser refuses", { timeout: 120_000 }, () => {
  after(() => site.reset());

  it("while another is on its way, ends the load and not the worker", async () => {
    const refuseTheSecond = `
      const { createComputePipelineAsync } = GPUDevice.prototype;
      let count = 0;
      GPUDevice.prototype.createComputePipelineAsync = async function (descriptor) {
        if (++count === 2) throw new Error("a test refuses it");
        return createComputePipelineAsync.call(this, descriptor);
      };`;
    await inBrowser(() => launchChromium({ webgpu: true }), async (page) => {
      site.answerBytes("/tenstep/worker.js", workerAfter(refuseTheSecond), "text/javascript");
      let workers = 0;
      page.on("worker", () => workers++);
      const { error } = await page.evaluate((manifest) => outcome(Tenstep.load({ manifest, backend: "webgpu" })), MANIFEST_PATH);
      assert.deepEqual([error?.code, workers], ["gpu-error", 1], JSON.stringify(error));
      assert.match(error.message, /a test refuses it/);
    });
  });
});

describe("a panic", { timeout: 240_000 }, () => {
  // A trap inside the real module: the glue's `step` runs a wasm function whose body is `unreachable`, after some that go well.
  const trapAfter = (steps) => `
    const step = Engine.prototype.step;
    let left = ${steps};
    Engine.prototype.step = function (run) {
      if (left-- > 0) return step.call(this, run);
      return (async () => new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array([
        0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 5, 1, 3, 0, 0, 11,
      ]))).exports.f())();
    };`;
  const GLUE = "/tenstep/wasm/tenstep_cpu.js";
  const glueThatTraps = (steps) => Buffer.from(readFileSync(join(dist, "tenstep", "wasm", "tenstep_cpu.js"), "utf8") + trapAfter(steps));

  it("ends one engine: the picture goes on in a new one, and is the same", async () => {
    await inBrowser(() => launchChromium({ webgpu: false }), async (page) => {
      site.answerBytes(GLUE, glueThatTraps(3), "text/javascript");
      await page.evaluate(async (manifest) => (window.tenstep = await Tenstep.load({ manifest })) && undefined, MANIFEST_PATH);
      site.reset();
      const [first, second] = await page.evaluate(async (size) => {
        const pictures = [];
        for (let count = 0; count < 2; count++) pictures.push(await tenstep.generate({ prompt: "a", seed: 5, steps: 6, ...size }));
        return pictures.map((picture) => ({ data: facts(picture).data, interruptions: picture.interruptions }));
      }, sizeOf(2));
      assert.deepEqual(first.interruptions.map(({ code, step }) => [code, step]), [["engine-crashed", 3]]);
      assert.deepEqual(second.interruptions, []);
      assert.deepEqual(first.data, second.data);
    });
  });

  it("at every try ends the picture with engine-crashed; the next is made by a new engine", async () => {
    await inBrowser(() => launchChromium({ webgpu: false }), async (page) => {
      site.answerBytes(GLUE, glueThatTraps(0), "text/javascript");
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
