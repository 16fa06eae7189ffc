// The first page's form: what a person asked for, and which choices the model offers.

import type { ModelInfo } from "tenstep";
import * as fields from "./common-form.js";
import { elements } from "./elements.js";
import type { Link } from "./link.js";
import type { Settings } from "./settings.js";
import { Slider } from "./slider.js";

const { negativePrompt, seed, seedLock, solver } = elements;
const steps = new Slider(elements.steps, elements.stepsValue);

/** What an address or a picture asked for before there was a model to offer it. */
let wanted: Link = {};

// A seed that was typed or drawn by hand is kept.
seed.addEventListener("input", () => (seedLock.checked = seed.value.trim() !== ""));
elements.dice.addEventListener("click", () => (seedLock.checked = true));

/** Offers what the model offers. */
export function offerModel(info: ModelInfo): void {
  const first = fields.offerModel(info, wanted);
  fields.fill(solver, info.solvers, first.solver);
  if (first.steps !== undefined) steps.offer(first.steps);
}

/** Puts what a link carries into the fields that need no model. */
export function followLink(link: Link): void {
  wanted = link;
  fields.followLink(link);
  negativePrompt.value = link.negativePrompt ?? "";
  if (link.seed !== undefined) seedLock.checked = true;
}

/** Puts a picture's settings into the form, and names those that the loaded model does not have. */
export function writeForm(settings: Partial<Settings>): string[] {
  wanted = { ...wanted, ...settings };
  if (settings.negativePrompt !== undefined) negativePrompt.value = settings.negativePrompt;
  if (settings.seed !== undefined) seedLock.checked = true;
  if (settings.steps !== undefined) steps.set(settings.steps);
  return [...fields.writeFields(settings), ...fields.choose(solver, "solver", settings.solver)];
}

/** What the form asks for, or `null` if the seed is none; the form then shows where and why. */
export function readForm(): Settings | null {
  const common = fields.readFields(seedLock.checked);
  return common && { ...common, negativePrompt: negativePrompt.value, steps: steps.value, solver: solver.value };
}
