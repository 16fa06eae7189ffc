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

/** The CPU backend as built: wasm with 128-bit SIMD. */
export const CPU = "CPU with SIMD";

/** How many threads compute, if all goes well. The browser may say fewer processors than there are: the caller knows better. */
export function threadsFor(backend: Backend, wanted: 1 | 2 | undefined): 1 | 2 {
  if (backend !== "cpu") return 1;
  return wanted ?? ((globalThis.navigator?.hardwareConcurrency ?? 1) >= 2 ? 2 : 1);
}

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|basic render|software/i;

/** How long a browser may take to answer before the CPU is taken. */
const PATIENCE_MILLIS = 10_000;
/** Where WebGPU is asked for nothing else is left: a busy GPU process may come to it late, after shaders that it still compiles, say. */
const PATIENCE_IF_FORCED_MILLIS = 60_000;

/** Probes the adapter. Rejects with `webgpu-unavailable` where the caller insists on WebGPU and there is no adapter at all. */
export async function chooseBackend(forced: Backend | undefined, gpu = globalThis.navigator?.gpu): Promise<Choice> {
  const patience = forced === "webgpu" ? PATIENCE_IF_FORCED_MILLIS : PATIENCE_MILLIS;
  return choose(forced, forced === "cpu" ? NOT_LOOKED_FOR : await probeAdapter(gpu, patience));
}

/** What follows from the adapter and the caller's wish. */
export function choose(forced: Backend | undefined, { device, isSoftware, finding }: Probe): Choice {
  if (forced === "cpu") return { backend: "cpu", reason: "The CPU was asked for.", device: CPU };
  if (forced === "webgpu") {
    if (device === null) throw new TenstepError("webgpu-unavailable", `WebGPU is not available: ${finding}`);
    return { backend: "webgpu", reason: `WebGPU was asked for. ${finding}`, device };
  }
  if (device === null || isSoftware) return { backend: "cpu", reason: finding, device: CPU };
  return { backend: "webgpu", reason: finding, device };
}

export interface Probe {
  adapter: GPUAdapter | null;
  /** The adapter in words, null where there is none. */
  device: string | null;
  isSoftware: boolean;
  /** A sentence for people. */
  finding: string;
}

const NOT_LOOKED_FOR: Probe = nothing("No adapter was looked for.");

export async function probeAdapter(gpu = globalThis.navigator?.gpu, patienceMillis = PATIENCE_MILLIS): Promise<Probe> {
  if (globalThis.isSecureContext === false) return nothing("WebGPU needs a page served over https or from localhost.");
  if (!gpu) return nothing(globalThis.navigator ? "This browser offers no WebGPU." : "There is no browser here, and so no WebGPU.");
  let adapter: GPUAdapter | null;
  try {
    adapter = await answered(gpu.requestAdapter({ powerPreference: "high-performance" }), patienceMillis);
  } catch (error) {
    return nothing(`This browser refused a WebGPU adapter: ${error instanceof Error ? error.message : String(error)}.`);
  }
  if (!adapter) return nothing("This browser has WebGPU, but gives no adapter.");
  const { vendor, architecture, device, description, isFallbackAdapter } = adapter.info;
  const named = description || device || [vendor, architecture].filter(Boolean).join(" ") || "an unnamed adapter";
  const isSoftware = isFallbackAdapter || SOFTWARE.test(`${named} ${architecture}`);
  const finding = isSoftware ? `The only WebGPU adapter is software (${named}).` : `WebGPU runs on ${named}.`;
  return { adapter, device: named, isSoftware, finding };
}

function nothing(finding: string): Probe {
  return { adapter: null, device: null, isSoftware: false, finding };
}

async function answered<T>(promise: Promise<T>, patienceMillis: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const silence = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it did not answer within ${patienceMillis / 1000} s`)), patienceMillis);
  });
  try {
    return await Promise.race([promise, silence]);
  } finally {
    clearTimeout(timer);
  }
}
