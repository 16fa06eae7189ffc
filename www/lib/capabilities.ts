// Is there a GPU worth using here? A software adapter counts as none: the CPU backend is many times faster than shaders on one.

import type { Backend } from "./options.js";

export interface Choice {
  backend: Backend;
  /** A sentence for people. */
  reason: string;
  /** The adapter in words; empty for the CPU. */
  device: string;
}

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|basic render|software/i;

/** Probes the adapter. Never rejects: without a usable GPU the choice is the CPU, unless the caller insists on WebGPU. */
export async function chooseBackend(forced: Backend | undefined, gpu = globalThis.navigator?.gpu): Promise<Choice> {
  if (forced === "cpu") return { backend: "cpu", reason: "The CPU was asked for.", device: "" };
  const probe = await probeAdapter(gpu);
  if (forced === "webgpu") {
    return { backend: "webgpu", reason: `WebGPU was asked for. ${probe.finding}`, device: probe.device };
  }
  return { backend: probe.isUsable ? "webgpu" : "cpu", reason: probe.finding, device: probe.isUsable ? probe.device : "" };
}

interface Probe {
  isUsable: boolean;
  device: string;
  finding: string;
}

async function probeAdapter(gpu: GPU | undefined): Promise<Probe> {
  const nothing = (finding: string): Probe => ({ isUsable: false, device: "", finding });
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
  if (isFallbackAdapter || SOFTWARE.test(`${named} ${architecture}`)) {
    return { isUsable: false, device: named, finding: `The only WebGPU adapter is software (${named}).` };
  }
  return { isUsable: true, device: named, finding: `WebGPU runs on ${named}.` };
}
