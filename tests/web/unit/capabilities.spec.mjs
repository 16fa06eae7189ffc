import assert from "node:assert/strict";
import { beforeEach, describe, it } from "node:test";
import { chooseBackend } from "../../../target/lib/capabilities.js";

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
