// This device: what runs, on what, and what it can do.

import type { Tenstep } from "tenstep";
import { elements } from "./elements.js";
import { showFacts } from "./facts.js";

export function showDevice({ backend: { backend, device, shaderF16 }, model }: Tenstep): void {
  const onGpu = backend === "webgpu";
  showFacts(elements.deviceFacts, [
    ["Engine", onGpu ? "WebGPU" : "processor"],
    ["Device", device],
    ["16-bit floats", onGpu ? (shaderF16 ? "yes" : "no") : undefined],
    ["Processor cores", navigator.hardwareConcurrency ? String(navigator.hardwareConcurrency) : undefined],
    ["An evaluation", model.evaluationFlops > 0 ? `${(model.evaluationFlops / 1e9).toFixed(1)} GFLOP` : undefined],
  ]);
}
