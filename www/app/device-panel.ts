// This device: what runs, on what, and what it can do.

import { capabilities, type Tenstep } from "tenstep";
import { elements } from "./elements.js";
import { showFacts } from "./facts.js";
import { MANIFEST } from "./model.js";

/** Measures once, and only when somebody looks: it keeps the device busy for a moment. */
export function connectDevice(): void {
  const look = () => {
    elements.device.removeEventListener("toggle", look);
    elements.deviceSummary.textContent = "Measuring this device…";
    capabilities({ manifest: MANIFEST }).then(
      ({ summary }) => (elements.deviceSummary.textContent = summary),
      () => (elements.deviceSummary.textContent = "This device could not be measured."),
    );
  };
  elements.device.addEventListener("toggle", look);
}

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
