// The form of the shaders that a GPU runs, in browsers on software adapters that pass for GPUs: otherwise these get a form of their own.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { dist } from "../../scripts/paths.mjs";
import { launchChromium, launchFirefox } from "./harness/browsers.mjs";
import { MANIFEST_PATH } from "./harness/default-model.mjs";
import { readGolden, relativeError } from "./harness/golden.mjs";
import { openSite } from "./harness/site.mjs";

const GLUE = "/tenstep/wasm/tenstep_gpu.js";
/** And says so when a shader comes that copies weights to the memory of a workgroup, which software adapters' shaders do not. */
const PASS_FOR_GPU = `
  Object.defineProperty(GPUAdapterInfo.prototype, "isFallbackAdapter", { get: () => false });
  const { createShaderModule } = GPUDevice.prototype;
  GPUDevice.prototype.createShaderModule = function (descriptor) {
    if (descriptor.code.includes("w_tile")) new BroadcastChannel("shaders").postMessage("of a GPU");
    return createShaderModule.call(this, descriptor);
  };
`;

/** f32 sums in another order than PyTorch's; factors of 11 significant bits, and sums of 16 of their products. */
const PARITY = { f32: 1e-4, f16: 5e-3 };
const golden = readGolden();

let site;
before(async () => {
  site = await openSite();
  site.answerBytes(GLUE, Buffer.from(PASS_FOR_GPU + readFileSync(join(dist, GLUE), "utf8")), "text/javascript");
});
after(() => site.close());

for (const { name, launch, asked, arithmetic } of [
  { name: "Chromium, which has no 16-bit floats on SwiftShader", launch: launchChromium, asked: "f16", arithmetic: "f32" },
  { name: "Firefox on lavapipe", launch: launchFirefox, asked: "f32", arithmetic: "f32" },
  { name: "Firefox on lavapipe", launch: launchFirefox, asked: "f16", arithmetic: "f16" },
]) {
  describe(`a GPU's shaders, ${asked} wanted, in ${name}`, { timeout: 300_000 }, () => {
    let browser;
    before(async () => (browser = await launch({ webgpu: true })));
    after(() => browser?.close());

    it(`evaluate the network in ${arithmetic} as PyTorch does`, async () => {
      const page = await browser.open(`${site.url}test.html`);
      const { backend, latents, isOfGpu } = await page.evaluate(evaluate, { manifest: MANIFEST_PATH, arithmetic: asked, options: golden.options });
      assert.ok(isOfGpu, "the shaders are those of a GPU");
      assert.deepEqual([backend.shaderF16, backend.arithmetic], [name.startsWith("Firefox"), arithmetic]);
      const error = relativeError(latents, golden.latents);
      console.log(`${name}, ${arithmetic}: latents after a guided evaluation differ by ${error.toExponential(1)}`);
      assert.ok(error <= PARITY[arithmetic], `relative error ${error}`);
      if (arithmetic === "f16") assert.ok(error > PARITY.f32, `relative error ${error} is that of f32`);
    });
  });
}

/** Runs in the page. */
async function evaluate({ manifest, arithmetic, options }) {
  let isOfGpu = false;
  new BroadcastChannel("shaders").onmessage = () => (isOfGpu = true);
  const tenstep = await Tenstep.load({ manifest, backend: "webgpu", arithmetic });
  const run = await tenstep.start(options);
  await run.step();
  return { backend: tenstep.backend, latents: Array.from(await run.latents()), isOfGpu };
}
