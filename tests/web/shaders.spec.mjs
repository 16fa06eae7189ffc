// The shaders that a GPU runs, in a browser's own compiler: software adapters, which the other tests have, run other forms of them, and
// what wgpu's compiler takes natively a browser may refuse.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { run } from "../../scripts/command.mjs";
import { findRust } from "../../scripts/setup/rust.mjs";
import { launchChromium } from "./harness/browsers.mjs";
import { openSite } from "./harness/site.mjs";

/** Of the default model, and of a UNet whose convolutions go by Winograd's algorithm, and as int4. */
const MADE_UP = ["--config", "benches/peers/unet-17m.json", "--latents", "32"];
const NETWORKS = [[], MADE_UP, [...MADE_UP, "--dtype", "int4"]];

describe("a GPU's shaders", { timeout: 600_000 }, () => {
  it("compile in Chromium", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tenstep-shaders-"));
    const site = await openSite();
    const chromium = await launchChromium({ webgpu: true });
    try {
      const cargo = ["run", "--locked", "--quiet", "--", "bench", "--shaders", folder];
      for (const network of NETWORKS) await run("cargo", [...cargo, ...network], { env: findRust().env });
      const shaders = readdirSync(folder).map((file) => [file, readFileSync(join(folder, file), "utf8")]);
      assert.ok(shaders.length > 40, `${shaders.length} shaders`);
      const page = await chromium.browser.newPage();
      await page.goto(`${site.url}test.html`);
      assert.deepEqual(await page.evaluate(refused, shaders), []);
    } finally {
      await chromium.close();
      await site.close();
      rmSync(folder, { recursive: true });
    }
  });
});

/** Runs in the page: the names of shaders of which no pipeline can be made, each with the reason. */
async function refused(shaders) {
  const device = await (await navigator.gpu.requestAdapter()).requestDevice();
  const complaints = [];
  for (const [name, code] of shaders) {
    device.pushErrorScope("validation");
    const bindings = new Set([...code.matchAll(/@binding\((\d+)\)/g)].map(([, number]) => Number(number)));
    const entries = [...bindings].map((binding) => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type: binding === 0 ? "uniform" : "storage" },
    }));
    const layout = device.createPipelineLayout({ bindGroupLayouts: [device.createBindGroupLayout({ entries })] });
    device.createComputePipeline({ layout, compute: { module: device.createShaderModule({ code }), entryPoint: "main" } });
    const error = await device.popErrorScope();
    if (error) complaints.push([name, error.message]);
  }
  return complaints;
}
