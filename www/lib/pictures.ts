// Pixels from the worker as the ImageData that pages work with.

import type { Interruption, Picture, StepReport } from "./options.js";
import { createImage } from "./platform.js";
import type { Generated, Pixels, Stepped } from "./protocol.js";

export function imageFromPixels({ data, width, height }: Pixels): ImageData {
  return createImage(data, width, height);
}

export function pictureFromGenerated({ seed, solverSteps, timings, warnings, ...pixels }: Generated, interruptions: Interruption[]): Picture {
  return { image: imageFromPixels(pixels), seed, solverSteps, timings, warnings, interruptions };
}

export function reportFromStepped({ step, steps, preview }: Stepped): StepReport {
  return { step, steps, preview: preview && imageFromPixels(preview) };
}
