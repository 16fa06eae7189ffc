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
/** Weights of int8, which are multiplied in all three, are the default model's. */
const SHADERS = NETWORKS.flatMap((network) => ["f32", "f16"].map((arithmetic) => [...network, "--arithmetic", arithmetic]));
SHADERS.push(["--arithmetic", "int8"]);

describe("a GPU's shaders", { timeout: 600_000 }, () => {
  it("compile in Chromium", async () => {
    const folder = mkdtempSync(join(tmpdir(), "tenstep-shaders-"));
    const site = await openSite();
    const chromium = await launchChromium({ webgpu: true });
    try {
      const cargo = ["run", "--locked", "--quiet", "--", "bench", "--shaders", folder];
      for (const options of SHADERS) await run("cargo", [...cargo, ...options], { env: findRust().env });
      const shaders = readdirSync(folder).map((file) => [file, inF32(readFileSync(join(folder, file), "utf8"))]);
      assert.ok(shaders.length > 50, `${shaders.length} shaders`);
      for (const narrow of ["IN_F16", "IN_INT8"]) {
        assert.ok(shaders.filter(([file]) => file.includes(narrow)).length > 3, `some are ${narrow}`);
      }
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

/** Without 16-bit floats, which Chromium has not on SwiftShader: another name of f32 then, of the same syntax and types but twice the size. */
function inF32(code) {
  return code.replace("enable f16;", "alias f16 = f32;");
}

/**
 * Runs in the page: the names of shaders that are refused, each with the reason. All are compiled to what the browser's own checks need;
 * to machine code, which takes seconds each, one of all that have the same sizes.
 */
async function refused(shaders) {
  const adapter = await navigator.gpu.requestAdapter();
  const { maxComputeWorkgroupStorageSize } = adapter.limits;
  const devices = {
    plain: await adapter.requestDevice(),
    roomy: await (await navigator.gpu.requestAdapter()).requestDevice({ requiredLimits: { maxComputeWorkgroupStorageSize } }),
  };
  const kinds = { uniform: "uniform", "storage,read": "read-only-storage", "storage,read_write": "storage" };
  const made = new Set();
  const complaints = [];
  for (const [name, code] of shaders) {
    const inF16 = name.includes("IN_F16");
    const device = inF16 ? devices.roomy : devices.plain;
    const module = device.createShaderModule({ code });
    const { messages } = await module.getCompilationInfo();
    if (messages.length > 0) complaints.push([name, ...messages.map(({ message }) => message)]);
    const sizes = [name.split("-")[0], inF16, ...(code.match(/const \w+ = \d+u;/g) ?? [])].join();
    if (made.has(sizes)) continue;
    made.add(sizes);
    const declared = new Map([...code.matchAll(/@binding\((\d+)\)\s*var<([^>]*)>/g)].map(([, number, kind]) => [Number(number), kind]));
    const entries = [...declared].map(([binding, kind]) => ({
      binding,
      visibility: GPUShaderStage.COMPUTE,
      buffer: { type: kinds[kind] },
    }));
    const layout = device.createPipelineLayout({ bindGroupLayouts: [device.createBindGroupLayout({ entries })] });
    await device.createComputePipelineAsync({ layout, compute: { module, entryPoint: "main" } }).catch(({ message }) => {
      complaints.push([name, message]);
    });
  }
  return complaints;
}
