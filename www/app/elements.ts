// The first page's elements by their ids. The ids are stable: tests rely on them.

import { common } from "./common-elements.js";
import { element } from "./element.js";

export const elements = {
  ...common,
  examples: element("examples", HTMLUListElement),

  picture: element("picture", HTMLDivElement),
  placeholder: element("placeholder", HTMLParagraphElement),
  preview: element("preview", HTMLCanvasElement),
  result: element("result", HTMLImageElement),
  outcome: element("outcome", HTMLDivElement),
  caption: element("caption", HTMLParagraphElement),
  download: element("download", HTMLAnchorElement),
  copyLink: element("copy-link", HTMLButtonElement),
  crisp: element("crisp", HTMLInputElement),
  timings: element("timings", HTMLParagraphElement),

  negativePrompt: element("negative-prompt", HTMLInputElement),
  steps: element("steps", HTMLInputElement),
  stepsValue: element("steps-value", HTMLSpanElement),
  seedLock: element("seed-lock", HTMLInputElement),
  advanced: element("advanced", HTMLDetailsElement),
  solver: element("solver", HTMLSelectElement),
};
