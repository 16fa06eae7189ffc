// How far the page is: bytes while a model loads, steps while a picture forms. Nothing here is guessed; where
// no total is known the bar has no value.

import type { LoadProgress } from "tenstep";
import { common } from "./common-elements.js";

const { work, progress, progressText } = common;

/** Shows `done` of `total`, or work without a known end where `total` is absent. */
export function showProgress(text: string, done?: number, total?: number): void {
  work.hidden = false;
  progressText.textContent = text;
  if (done === undefined || !total) {
    progress.removeAttribute("value");
  } else {
    progress.max = total;
    progress.value = done;
  }
}

/** Takes the bar away. */
export function hideProgress(): void {
  work.hidden = true;
  progressText.textContent = "";
}

/** Shows how far a load is. */
export function showLoading({ phase, loadedBytes, totalBytes }: LoadProgress): void {
  if (phase === "download" && totalBytes > 0) {
    showProgress(`Loading the model: ${bytesText(loadedBytes, totalBytes)}`, loadedBytes, totalBytes);
  } else {
    showProgress(phase === "engine" ? "Starting the engine…" : "Preparing the model…");
  }
}

/** `3.1 of 8.4 MB`: decimal megabytes, as browsers count downloads. */
function bytesText(loaded: number, total: number): string {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  return `${megabytes(loaded)} of ${megabytes(total)} MB`;
}
