import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { afterEach, beforeEach, describe, it } from "node:test";
import { capabilities } from "../../../target/lib/capabilities.js";
import { chooseBackend } from "../../../target/lib/choose-backend.js";

const gpuWith = (info) => ({ requestAdapter: async () => info && { info } });
const RADEON = { vendor: "amd", architecture: "rdna-2", device: "", description: "", isFallbackAdapter: false };

describe("chooseBackend", () => {
  beforeEach(() => (globalThis.isSecureContext = true));

  it("takes a real GPU", async () => {
    const choice = await chooseBackend(undefined, gpuWith(RADEON));
    assert.equal(choice.backend, "webgpu");
    assert.equal(choice.device, "amd rdna-2");
    assert.match(choice.reason, /amd rdna-2/);
  });

  const unusable = {
    "no WebGPU": [undefined, /no WebGPU/],
    "no adapter": [gpuWith(null), /no adapter/],
    "a refused adapter": [{ requestAdapter: async () => Promise.reject(new Error("blocklisted")) }, /blocklisted/],
    "a fallback adapter": [gpuWith({ ...RADEON, isFallbackAdapter: true }), /software/],
    "SwiftShader that does not say it is a fallback": [gpuWith({ ...RADEON, vendor: "google", architecture: "swiftshader" }), /software/],
    "lavapipe that does not say it is a fallback": [gpuWith({ ...RADEON, description: "llvmpipe (LLVM 15)" }), /software/],
  };
  for (const [name, [gpu, reason]] of Object.entries(unusable)) {
    it(`takes the CPU for ${name}, and says so`, async () => {
      const choice = await chooseBackend(undefined, gpu ?? null);
      assert.equal(choice.backend, "cpu");
      assert.match(choice.reason, reason);
    });
  }

  it("takes the CPU on a page that is not secure", async () => {
    globalThis.isSecureContext = false;
    assert.match((await chooseBackend(undefined, gpuWith(RADEON))).reason, /https/);
  });

  it("says why there is no WebGPU to a caller who insists on it", async () => {
    await assert.rejects(chooseBackend("webgpu", gpuWith(null)), { code: "webgpu-unavailable", message: /no adapter/ });
  });

  it("does as it is told", async () => {
    const software = gpuWith({ ...RADEON, isFallbackAdapter: true });
    assert.equal((await chooseBackend("webgpu", software)).backend, "webgpu");
    assert.equal((await chooseBackend("cpu", gpuWith(RADEON))).backend, "cpu");
  });
});

describe("a browser that never answers", () => {
  beforeEach(() => (globalThis.isSecureContext = true));

  it("counts as one without an adapter, after ten seconds", async (context) => {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    const choice = chooseBackend(undefined, { requestAdapter: () => new Promise(() => undefined) });
    context.mock.timers.tick(10_000);
    assert.equal((await choice).backend, "cpu");
    assert.match((await choice).reason, /did not answer within 10 s/);
  });

  it("is waited for a minute where WebGPU is asked for", async (context) => {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    let answer;
    const late = chooseBackend("webgpu", { requestAdapter: () => new Promise((resolve) => (answer = resolve)) });
    const never = chooseBackend("webgpu", { requestAdapter: () => new Promise(() => undefined) });
    context.mock.timers.tick(59_000);
    answer({ info: RADEON });
    assert.equal((await late).backend, "webgpu");
    context.mock.timers.tick(1_000);
    await assert.rejects(never, { code: "webgpu-unavailable", message: /did not answer within 60 s/ });
  });
});

describe("capabilities", () => {
  const MIB = 1 << 20;
  const LIMITS = {
    maxBufferSize: 1024 * MIB,
    maxStorageBufferBindingSize: 1024 * MIB,
    maxComputeWorkgroupStorageSize: 32768,
    maxComputeInvocationsPerWorkgroup: 256,
  };
  const MANIFEST = "http://models.example/default/manifest.json";
  const manifest = JSON.parse(readFileSync(new URL("../../../www/models/default/manifest.json", import.meta.url), "utf8"));
  let fetched;

  /** A browser with this adapter; `device` is what comes of asking the adapter for one. */
  const browserWith = (adapter) =>
    Object.defineProperty(globalThis, "navigator", { value: { gpu: { requestAdapter: async () => adapter } }, configurable: true });
  const adapterWith = ({ info = RADEON, features = [], limits = LIMITS, device = fakeDevice() } = {}) => ({
    info,
    limits,
    features: new Set(features),
    requestDevice: async () => device,
  });
  const serve = (body, status = 200) => {
    globalThis.fetch = async (url) => {
      fetched.push(String(url));
      return new Response(typeof body === "string" ? body : JSON.stringify(body), { status });
    };
  };

  const globals = ["navigator", "fetch", "isSecureContext"].map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]);
  beforeEach(() => {
    fetched = [];
    globalThis.isSecureContext = true;
    serve(manifest);
  });
  afterEach(() => {
    for (const [name, descriptor] of globals) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else delete globalThis[name];
    }
  });

  it("says that there is no browser in Node, and still measures the processor", async () => {
    delete globalThis.isSecureContext;
    Object.defineProperty(globalThis, "navigator", { value: undefined, configurable: true });
    const report = await capabilities();
    assert.equal(report.backend, "cpu");
    assert.match(report.reason, /no browser here/);
    assert.equal(report.adapter, null);
    assert.equal(report.model, null);
    assert.equal(report.wasm.simd, true);
    assert.ok(report.speed.gflops > 0.1, `${report.speed.gflops} GFLOP/s`);
    assert.match(report.summary, /GFLOP\/s/);
  });

  it("describes a hardware adapter and measures it on a device that it destroys", async () => {
    const device = fakeDevice();
    browserWith(adapterWith({ features: ["shader-f16", "subgroups"], limits: { ...LIMITS, maxStorageBufferBindingSize: 128 * MIB }, device }));
    const report = await capabilities();
    assert.equal(report.backend, "webgpu");
    const { limits, ...adapter } = report.adapter;
    assert.deepEqual(adapter, {
      name: "amd rdna-2", vendor: "amd", architecture: "rdna-2", isSoftware: false, shaderF16: true, subgroups: true,
    });
    assert.equal(limits.maxStorageBufferBindingSize, 128 * MIB);
    assert.match(report.summary, /amd rdna-2.*has 16-bit floats.*134 MB/);
    assert.ok(report.speed.gflops > 0);
    assert.equal(device.isDestroyed, true);
  });

  it("says of an adapter without 16-bit floats that it has none", async () => {
    browserWith(adapterWith());
    assert.match((await capabilities({ measureSpeed: false })).summary, /has no 16-bit floats/);
  });

  it("describes a software adapter, and measures the processor that is taken instead", async () => {
    const device = fakeDevice();
    browserWith(adapterWith({ info: { ...RADEON, isFallbackAdapter: true }, device }));
    const report = await capabilities();
    assert.equal(report.backend, "cpu");
    assert.equal(report.adapter.isSoftware, true);
    assert.equal(report.speed.latencyMillis, 0);
    assert.equal(device.submissions, 0, "the GPU was left alone");
  });

  it("measures nothing where nothing is to be measured", async () => {
    const device = fakeDevice();
    browserWith(adapterWith({ device }));
    const report = await capabilities({ measureSpeed: false });
    assert.equal(report.speed, null);
    assert.equal(device.submissions, 0);
    assert.doesNotMatch(report.summary, /GFLOP|could not be measured/);
  });

  const faults = {
    "refuses a device": () => ({ ...adapterWith(), requestDevice: async () => Promise.reject(new Error("no device for you")) }),
    "compiles no pipeline": () => adapterWith({ device: fakeDevice({ createComputePipelineAsync: async () => Promise.reject(new Error("no device for you")) }) }),
    "finds a fault in the work": () => adapterWith({ device: fakeDevice({ popErrorScope: async () => ({ message: "no device for you" }) }) }),
  };
  for (const [name, make] of Object.entries(faults)) {
    it(`has no speed of an adapter that ${name}, says why, and leaves no device`, async () => {
      const adapter = make();
      browserWith(adapter);
      const report = await capabilities();
      assert.equal(report.speed, null);
      assert.match(report.summary, /could not be measured: no device for you/);
      const device = await adapter.requestDevice().catch(() => null);
      assert.equal(device?.isDestroyed ?? true, true);
    });
  }

  it("gives up on an adapter that never finishes its work after ten seconds", async () => {
    const device = fakeDevice({ onSubmittedWorkDone: () => new Promise(() => undefined) });
    browserWith(adapterWith({ device }));
    // Something to live for: the package's own timer does not keep Node running.
    const alive = setInterval(() => undefined, 1000);
    const report = await capabilities();
    clearInterval(alive);
    assert.match(report.summary, /could not be measured: the GPU took more than 10 s/);
    assert.equal(device.isDestroyed, true);
  });

  it("derives from the manifest, and only from it, what the model needs", async () => {
    Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
    const { model, summary } = await capabilities({ manifest: MANIFEST, steps: 20 });
    assert.deepEqual(fetched, [MANIFEST]);
    const shards = manifest.components.filter(({ lazy }) => !lazy).flatMap(({ shards }) => shards);
    assert.equal(model.downloadBytes, shards.reduce((sum, { bytes }) => sum + bytes, 0));
    const [rows, columns] = manifest.components.flatMap(({ tensors }) => tensors).find(({ name }) => name === "embeddings.token_embedding.weight").shape;
    assert.equal(model.largestTensorBytes, rows * columns + 4 * rows, "int8 rows with a scale each");
    assert.equal(model.estimate.steps, 20);
    assert.ok(model.estimate.seconds > 0);
    assert.match(model.estimate.assumes, /63 %.*x86-64/);
    assert.match(summary, new RegExp(`${manifest.name} downloads ${Math.round(model.downloadBytes / 1e6)} MB.*20 steps`));
    assert.equal("defaultSteps" in model, false);
  });

  it("counts a scale of int4 for each 32 channels of a row", async () => {
    const tensors = [{ name: "w", shape: [64, 70, 3, 3], dtype: "int4" }, { name: "v", shape: [9], dtype: "f32" }];
    serve({ ...manifest, components: [{ ...manifest.components[0], tensors }] });
    const { model } = await capabilities({ manifest: MANIFEST, measureSpeed: false });
    assert.equal(model.largestTensorBytes, (64 * 70 * 9) / 2 + 2 * 64 * 3);
  });

  it("counts the UNet's weights twice on two threads, and half the time", async () => {
    Object.defineProperty(globalThis, "navigator", { value: { hardwareConcurrency: 4 }, configurable: true });
    const one = await capabilities({ manifest: MANIFEST, threads: 1 });
    const two = await capabilities({ manifest: MANIFEST });
    assert.deepEqual([one.threads, two.threads], [1, 2]);
    const tensors = manifest.components.find(({ name }) => name === "unet").tensors;
    const elements = tensors.reduce((sum, { shape }) => sum + shape.reduce((product, extent) => product * extent, 1), 0);
    assert.equal(two.model.memoryBytes - one.model.memoryBytes, 4 * elements);
    const perSpeed = ({ model, speed }) => model.estimate.seconds * speed.gflops;
    assert.ok(Math.abs(perSpeed(one) / perSpeed(two) - 2) < 1e-6);
    assert.match(one.summary, /on one thread\./);
    assert.match(two.summary, /on two threads\..*GFLOP\/s a thread/);
  });

  it("estimates no time for a network of another kind", async () => {
    serve({ ...manifest, components: manifest.components.filter(({ name }) => name !== "unet") });
    const { model } = await capabilities({ manifest: MANIFEST });
    assert.equal(model.evaluationFlops, null);
    assert.equal(model.estimate, null);
  });

  const shape = (extents) => ({ ...manifest, components: [{ ...manifest.components[0], tensors: [{ name: "w", shape: extents, dtype: "f32" }] }] });
  const damaged = {
    "no JSON": "<!doctype html>",
    "no object": "[]",
    "no components": { ...manifest, components: undefined },
    "a shape whose product no number holds": shape([2 ** 40, 2 ** 40]),
    "an extent below zero": shape([-1]),
    "an unknown type of numbers": { ...manifest, components: [{ ...manifest.components[0], tensors: [{ name: "w", shape: [1], dtype: "f8" }] }] },
  };
  for (const [name, body] of Object.entries(damaged)) {
    it(`refuses a manifest with ${name}`, async () => {
      serve(body);
      await assert.rejects(capabilities({ manifest: MANIFEST, measureSpeed: false }), { name: "TenstepError", code: "invalid-manifest" });
    });
  }

  it("rejects where the manifest is not there", async () => {
    serve("", 404);
    await assert.rejects(capabilities({ manifest: MANIFEST }), { code: "fetch-failed" });
  });

  const refused = [{ steps: 0 }, { steps: 1.5 }, { threads: 3 }, { backend: "npu" }, { measureSpeed: "yes" }, { manifest: 7 }, { signal: {} }, { weights: true }];
  for (const options of refused) {
    it(`refuses ${JSON.stringify(options)}`, () => assert.rejects(capabilities(options), { code: "invalid-option" }));
  }

  it("says why there is no WebGPU to a caller who insists on it", async () => {
    browserWith(null);
    await assert.rejects(capabilities({ backend: "webgpu" }), { code: "webgpu-unavailable" });
  });

  it("ends with the caller's reason when aborted before, during the search, and during the measurement", async () => {
    const reason = new Error("changed my mind");
    await assert.rejects(capabilities({ signal: AbortSignal.abort(reason) }), reason);

    browserWith(new Promise(() => undefined));
    const search = new AbortController();
    setTimeout(() => search.abort(reason), 5);
    await assert.rejects(capabilities({ signal: search.signal }), reason);

    const measurement = new AbortController();
    const device = fakeDevice({ onSubmittedWorkDone: () => new Promise(() => measurement.abort(reason)) });
    browserWith(adapterWith({ device }));
    await assert.rejects(capabilities({ signal: measurement.signal }), reason);
    assert.equal(device.isDestroyed, true);
  });
});

/** A device that takes 2 ms for any work. */
function fakeDevice({ onSubmittedWorkDone = () => new Promise((done) => setTimeout(done, 2)), ...others } = {}) {
  const device = {
    isDestroyed: false,
    submissions: 0,
    destroy: () => (device.isDestroyed = true),
    pushErrorScope: () => undefined,
    popErrorScope: async () => null,
    createShaderModule: () => ({}),
    createComputePipelineAsync: async () => ({ getBindGroupLayout: () => ({}) }),
    createBuffer: () => ({}),
    createBindGroup: () => ({}),
    createCommandEncoder: () => ({
      beginComputePass: () => ({ setPipeline() {}, setBindGroup() {}, dispatchWorkgroups() {}, end() {} }),
      finish: () => ({}),
    }),
    queue: { writeBuffer: () => undefined, submit: () => device.submissions++, onSubmittedWorkDone },
    ...others,
  };
  return device;
}
