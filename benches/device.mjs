// What the figures were measured on.

import { cpus } from "node:os";
import { MODULES } from "../scripts/build-wasm.mjs";
import { launchChromium } from "../tests/web/harness/browsers.mjs";
import { peers } from "./peers/peers.mjs";
import { openBenchSite } from "./peers/site.mjs";

/** `peerNames` are those of the peers that were asked for. `adapter` is null where the browser has no WebGPU. */
export async function describeDevice(adapter, peerNames) {
  const site = await openBenchSite();
  const { browser, close } = await launchChromium({ webgpu: true, adapter });
  try {
    const page = await browser.newPage();
    await page.goto(`${site.url}page/index.html`);
    const found = await page.evaluate(lookAround);
    const build = ({ rustflags, optLevel, optimise }) => ({ profile: "wasm", simd: rustflags.join().includes("+simd128"), threads: 1, opt_level: optLevel, wasm_opt: optimise.join(" ") });
    return {
      processor: cpus()[0].model,
      cores: cpus().length,
      browser: `Chromium ${browser.version()}`,
      ...found,
      build: { cpu: build(MODULES.cpu), gpu: build(MODULES.gpu) },
      peers: peerNames.map((name) => peers[name].description).filter((description) => description !== null),
    };
  } finally {
    await close();
    site.close();
  }
}

/** In the browser. */
async function lookAround() {
  const adapter = await navigator.gpu?.requestAdapter({ powerPreference: "high-performance" });
  if (!adapter) return { adapter: null, cross_origin_isolated: crossOriginIsolated };
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  const { maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup } = adapter.limits;
  return {
    adapter: { vendor, architecture, device, description, isFallbackAdapter, features: [...adapter.features] },
    limits: { maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup },
    cross_origin_isolated: crossOriginIsolated,
  };
}
