// How a picture formed: a coil of ten small stamps, each with the preview after a tenth of the steps.

import { elements } from "./elements.js";
import { draw } from "./picture.js";

const STAMPS = 10;

/** Empties the coil, as many stamps as there will be steps, at most ten. */
export function clearStrip(steps = STAMPS): void {
  const stamps = Array.from({ length: Math.min(steps, STAMPS) }, () => document.createElement("li"));
  elements.strip.replaceChildren(...stamps);
}

/** Puts the preview after `step` of `steps` on its stamp. */
export function showOnStrip(step: number, steps: number, image: ImageData): void {
  const stamp = elements.strip.children[Math.ceil((step * elements.strip.children.length) / steps) - 1];
  if (!stamp) return;
  const canvas = document.createElement("canvas");
  draw(canvas, image);
  stamp.className = "done";
  stamp.replaceChildren(canvas);
}
