// The picture: previews on a canvas while it forms, then an image that can be named, saved and dragged.

import { elements } from "./elements.js";
import type { Entry } from "./entry.js";
import { fileName } from "./file-name.js";
import type { Settings } from "./settings.js";

const { picture, placeholder, preview, result, download } = elements;

for (const box of [elements.crisp, elements.chequered]) {
  box.addEventListener("change", () => (picture.dataset[box.id] = String(box.checked)));
}

/** Shows an unfinished picture. */
export function showPreview(image: ImageData): void {
  draw(preview, image);
  show("preview");
}

/** The finished picture that was asked for last. */
let asked: Blob | undefined;

/**
 * Shows a finished picture, with a text in its place for those who do not see it, and offers it as a file. What was there
 * stays until the browser has read the new one. Gives back whether it is on show: not if another was asked for meanwhile.
 */
export async function showResult({ png, settings }: Entry): Promise<boolean> {
  asked = png;
  const address = URL.createObjectURL(png);
  const next = new Image();
  next.src = address;
  const trouble = await next.decode().catch((error: unknown) => error);
  const isAsked = asked === png;
  if (trouble || !isAsked) {
    URL.revokeObjectURL(address);
    if (isAsked) throw trouble;
    return false;
  }
  URL.revokeObjectURL(result.src);
  result.src = address;
  result.alt = altText(settings);
  show("result");
  download.href = address;
  download.download = fileName(settings);
  return true;
}

/** Puts back what stood there before a picture was begun: the last result, or the empty stamp. */
export function forgetPreview(): void {
  show(hasResult() ? "result" : "empty");
}

/** Whether a finished picture is there to go back to. */
export function hasResult(): boolean {
  return result.src !== "";
}

/** What a picture is called for those who do not see it. */
export function altText({ prompt, style, seed }: Settings): string {
  const subject = prompt.trim() === "" ? "no prompt" : prompt.trim();
  return `Generated picture: ${subject}${style ? `, ${style} style` : ""}, seed ${seed}`;
}

/** Puts an image on a canvas, pixel for pixel. */
export function draw(canvas: HTMLCanvasElement, image: ImageData): void {
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d")?.putImageData(image, 0, 0);
}

/** The image as a PNG. */
export function pngFromImage(image: ImageData): Promise<Blob> {
  const canvas = document.createElement("canvas");
  draw(canvas, image);
  return new Promise((resolve, reject) => {
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The picture could not be encoded."))));
  });
}

function show(state: "empty" | "preview" | "result"): void {
  picture.dataset["state"] = state;
  placeholder.hidden = state !== "empty";
  preview.hidden = state !== "preview";
  result.hidden = state !== "result";
}
