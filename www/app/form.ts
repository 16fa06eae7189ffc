// The first page's form: what a person asked for, and which choices the model offers.

import type { ModelInfo } from "tenstep";
import * as fields from "./common-form.js";
import { elements } from "./elements.js";
import type { Link } from "./link.js";
import type { Settings } from "./settings.js";
import { Slider } from "./slider.js";

const { negativePrompt, seed, seedLock, solver } = elements;
const steps = new Slider(elements.steps, elements.stepsValue);

// A seed that was typed or drawn by hand is kept.
seed.addEventListener("input", () => (seedLock.checked = seed.value.trim() !== ""));
elements.dice.addEventListener("click", () => (seedLock.checked = true));

/** Offers what the model offers. */
export function offerModel(info: ModelInfo, link: Link): void {
  const first = fields.offerModel(info, link);
  fields.fill(solver, info.solvers, first.solver);
  if (first.steps !== undefined) steps.offer(first.steps);
}

/** Puts what a link carries into the fields that need no model. */
export function followLink(link: Link): void {
  fields.followLink(link);
  negativePrompt.value = link.negativePrompt ?? "";
  if (link.seed !== undefined) seedLock.checked = true;
}

/** What the form asks for, or `null` if the seed is none; the form then shows where and why. */
export function readForm(): Settings | null {
  const common = fields.readFields(seedLock.checked);
  return common && { ...common, negativePrompt: negativePrompt.value, steps: steps.value, solver: solver.value };
}
