// Is there a GPU worth using here? A software adapter counts as none: the CPU backend is many times faster than shaders on one.

import { TenstepError } from "./errors.js";
import type { Backend } from "./options.js";

export interface Choice {
  backend: Backend;
  /** A sentence for people. */
  reason: string;
  /** What computes, in words. */
  device: string;
}

/** The CPU backend as built: wasm with 128-bit SIMD, on the worker's own thread. */
export const CPU = "CPU, one thread with SIMD";

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|basic render|software/i;

/** Probes the adapter. Rejects with `webgpu-unavailable` where the caller insists on WebGPU and there is no adapter at all. */
export async function chooseBackend(forced: Backend | undefined, gpu = globalThis.navigator?.gpu): Promise<Choice> {
  if (forced === "cpu") return { backend: "cpu", reason: "The CPU was asked for.", device: CPU };
  const { device, isSoftware, finding } = await probeAdapter(gpu);
  if (forced === "webgpu") {
    if (device === null) throw new TenstepError("webgpu-unavailable", `WebGPU is not available: ${finding}`);
    return { backend: "webgpu", reason: `WebGPU was asked for. ${finding}`, device };
  }
  if (device === null || isSoftware) return { backend: "cpu", reason: finding, device: CPU };
  return { backend: "webgpu", reason: finding, device };
}

interface Probe {
  /** The adapter in words, null where there is none. */
  device: string | null;
  isSoftware: boolean;
  /** A sentence for people. */
  finding: string;
}

async function probeAdapter(gpu: GPU | undefined): Promise<Probe> {
  const nothing = (finding: string): Probe => ({ device: null, isSoftware: false, finding });
  if (!globalThis.isSecureContext) return nothing("WebGPU needs a page served over https or from localhost.");
  if (!gpu) return nothing("This browser offers no WebGPU.");
  let adapter: GPUAdapter | null;
  try {
    adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  } catch (error) {
    return nothing(`This browser refused a WebGPU adapter: ${error instanceof Error ? error.message : String(error)}.`);
  }
  if (!adapter) return nothing("This browser has WebGPU, but gives no adapter.");
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  const named = description || device || [vendor, architecture].filter(Boolean).join(" ") || "an unnamed adapter";
  const isSoftware = isFallbackAdapter || SOFTWARE.test(`${named} ${architecture}`);
  const finding = isSoftware ? `The only WebGPU adapter is software (${named}).` : `WebGPU runs on ${named}.`;
  return { device: named, isSoftware, finding };
}
