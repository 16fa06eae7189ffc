// The picture: previews on a canvas while it forms, then an image that can be named, saved and dragged.

import { elements } from "./elements.js";
import { fileName } from "./file-name.js";
import type { Settings } from "./settings.js";

const { picture, placeholder, preview, result, download } = elements;

/** Shows an unfinished picture. */
export function showPreview(image: ImageData): void {
  draw(image);
  placeholder.hidden = true;
  result.hidden = true;
  preview.hidden = false;
  picture.dataset["state"] = "preview";
}

/** Shows a finished picture, with a text in its place for those who do not see it, and offers it as a file. */
export async function showResult(image: ImageData, settings: Settings): Promise<void> {
  draw(image);
  const address = URL.createObjectURL(await pngFromCanvas());
  URL.revokeObjectURL(result.src);
  result.src = address;
  result.alt = altText(settings);
  await result.decode();
  placeholder.hidden = true;
  preview.hidden = true;
  result.hidden = false;
  picture.dataset["state"] = "result";
  download.href = address;
  download.download = fileName(settings);
}

/** Puts back what stood there before a picture was begun: the last result, or the empty card. */
export function forgetPreview(): void {
  preview.hidden = true;
  const finished = result.src !== "";
  result.hidden = !finished;
  placeholder.hidden = finished;
  picture.dataset["state"] = finished ? "result" : "empty";
}

/** Whether a finished picture is there to go back to. */
export function hasResult(): boolean {
  return result.src !== "";
}

function altText({ prompt, style, seed }: Settings): string {
  const subject = prompt.trim() === "" ? "no prompt" : prompt.trim();
  return `Generated picture: ${subject}${style ? `, ${style} style` : ""}, seed ${seed}`;
}

function draw(image: ImageData): void {
  preview.width = image.width;
  preview.height = image.height;
  preview.getContext("2d")?.putImageData(image, 0, 0);
}

function pngFromCanvas(): Promise<Blob> {
  return new Promise((resolve, reject) => {
    preview.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("The picture could not be encoded."))));
  });
}
