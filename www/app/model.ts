// The loaded model: one at a time, loaded anew when the backend is changed or after an error.

import { storage, Tenstep, type Backend, type LoadProgress } from "tenstep";
import { common } from "./common-elements.js";

/** The page's model. */
export const MANIFEST = "models/default/manifest.json";

let loading: Promise<Tenstep> | undefined;
let controller = new AbortController();

/** The model, loaded or being loaded; `undefined` before the first load and after one that failed. */
export function currentModel(): Promise<Tenstep> | undefined {
  return loading;
}

/** Lets go of whatever is loaded and loads the page's model, on `backend` if one is named. */
export function loadModel(
  backend: Backend | undefined,
  onProgress: (progress: LoadProgress) => void,
): Promise<Tenstep> {
  controller.abort();
  void loading?.then((tenstep) => tenstep.dispose()).catch(() => {
    // It never came to be: nothing to dispose of.
  });
  controller = new AbortController();
  const { signal } = controller;
  const promise = Tenstep.load({
    manifest: MANIFEST,
    ...(backend && { backend }),
    signal,
    onProgress: (progress) => {
      if (!signal.aborted) onProgress(progress);
    },
  });
  loading = promise;
  promise.catch(() => {
    if (loading === promise) loading = undefined;
  });
  return promise;
}

/** Whether the model can be loaded without a network. */
export async function isModelKept(): Promise<boolean> {
  const address = new URL(MANIFEST, document.baseURI).href;
  return (await storage.list()).some(({ manifest, isComplete }) => manifest === address && isComplete);
}

/** Says what runs, on what, and why, and which model it is. */
export function reportModel({ backend, model }: Tenstep): void {
  const runner = backend.backend === "webgpu" ? "WebGPU" : "the processor";
  const device = backend.device ? ` (${backend.device})` : "";
  common.backendReport.textContent = `Runs on ${runner}${device}. ${backend.reason}`;
  common.backendReport.dataset["backend"] = backend.backend;
  const millions = (model.parameters / 1e6).toFixed(1);
  common.modelReport.textContent =
    `Model: ${model.name}, revision ${model.revision}, ${millions} million parameters, ` +
    `${model.defaultWidth} × ${model.defaultHeight} pixels. Licence: ${model.licence}.`;
}
