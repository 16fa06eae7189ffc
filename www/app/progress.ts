// How far the page is: bytes while a model loads, steps while a picture forms. Nothing here is guessed; where
// no total is known the bar has no value.

import { elements } from "./elements.js";

const { work, progress, progressText } = elements;

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

/** `3.1 of 8.4 MB`: decimal megabytes, as browsers count downloads. */
export function bytesText(loaded: number, total: number): string {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  return `${megabytes(loaded)} of ${megabytes(total)} MB`;
}
