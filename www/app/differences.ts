// What two pictures were asked for differently.

import type { Entry } from "./entry.js";
import { labelOf } from "./labels.js";

export interface Difference {
  name: string;
  left: string;
  right: string;
}

const text = (value: string) => value || "none";

const facts: [string, (entry: Entry) => string][] = [
  ["Prompt", ({ settings }) => text(settings.prompt.trim())],
  ["Leave out", ({ settings }) => text(settings.negativePrompt.trim())],
  ["Style", ({ settings }) => (settings.style ? labelOf(settings.style) : "any")],
  ["Steps", ({ settings }) => String(settings.steps)],
  ["Guidance", ({ settings }) => String(settings.guidanceScale)],
  ["Seed", ({ settings }) => String(settings.seed)],
  ["Solver", ({ settings }) => labelOf(settings.solver)],
  ["Schedule", ({ settings }) => labelOf(settings.schedule)],
  ["Model", ({ model }) => model],
  ["Made on", ({ backend }) => (backend === "webgpu" ? "WebGPU" : "the processor")],
];

/** The facts in which two pictures differ, in the order of the form. */
export function differencesOf(left: Entry, right: Entry): Difference[] {
  return facts
    .map(([name, say]) => ({ name, left: say(left), right: say(right) }))
    .filter((difference) => difference.left !== difference.right);
}
