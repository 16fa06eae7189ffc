// The fields that both pages have: prompt, style, schedule, guidance, seed, backend.

import type { ModelInfo } from "tenstep";
import { common } from "./common-elements.js";
import { labelOf } from "./labels.js";
import type { Link } from "./link.js";
import { randomSeed, seedFromText } from "./seed.js";
import type { CommonSettings, Settings } from "./settings.js";
import { Slider } from "./slider.js";

const { style, schedule, seed, seedError } = common;
const guidance = new Slider(common.guidance, common.guidanceValue, (value) => (Number(value) > 1 ? value : `${value} (off)`));
/** Whether a model's own choices have been put into the fields, which a person may have changed since. */
let offered = false;

seed.addEventListener("input", () => showSeedError(false));
common.dice.addEventListener("click", () => {
  seed.value = String(randomSeed());
  showSeedError(false);
});

/** Puts what a link carries into the fields that need no model. */
export function followLink(link: Link): void {
  if (link.prompt !== undefined) common.prompt.value = link.prompt;
  common.backend.value = link.backend ?? "auto";
  if (link.seed !== undefined) seed.value = String(link.seed);
}

/**
 * Offers what the model offers, and gives what other fields are to start with. The first time a link has a say; after that
 * what a person chose stays, where it exists.
 */
export function offerModel(info: ModelInfo, link: Link): Partial<Settings> {
  const first: Partial<Settings> = offered ? {} : { ...info.defaults, ...link };
  offered = true;
  fill(style, ["", ...info.styles], first.style);
  fill(schedule, info.schedules, first.schedule);
  if (first.guidanceScale !== undefined) guidance.offer(first.guidanceScale);
  common.styleField.hidden = info.styles.length === 0;
  return first;
}

/** Puts a picture's settings into the fields, and names those that the loaded model does not have. */
export function writeFields(settings: Partial<Settings>): string[] {
  if (settings.prompt !== undefined) common.prompt.value = settings.prompt;
  if (settings.guidanceScale !== undefined) guidance.set(settings.guidanceScale);
  if (settings.seed !== undefined) seed.value = String(settings.seed);
  showSeedError(false);
  return [...choose(style, "style", settings.style), ...choose(schedule, "schedule", settings.schedule)];
}

/** Chooses `value`, if one is given and there is anything to choose from yet; gives back the select's name where it is not on offer. */
export function choose(select: HTMLSelectElement, name: string, value: string | undefined): string[] {
  if (value === undefined || !offered) return [];
  const isOffered = [...select.options].some((option) => option.value === value);
  if (isOffered) select.value = value;
  return isOffered ? [] : [`${name} ${labelOf(value)}`];
}

/** What the fields ask for, with a new seed unless it is kept, or `null` if the seed is none: its field then shows why. */
export function readFields(seedIsKept: boolean): CommonSettings | null {
  const value = seedIsKept && seed.value.trim() !== "" ? seedFromText(seed.value) : randomSeed();
  showSeedError(value === null);
  if (value === null) {
    seed.focus();
    return null;
  }
  seed.value = String(value);
  return {
    prompt: common.prompt.value,
    style: style.value,
    schedule: schedule.value,
    guidanceScale: guidance.value,
    seed: value,
  };
}

/** Puts `values` into a select, and `wanted` or what it said before on top. */
export function fill(select: HTMLSelectElement, values: readonly string[], wanted = select.value): void {
  select.replaceChildren(...values.map((value) => new Option(value === "" ? "Any" : labelOf(value), value)));
  if (values.includes(wanted)) select.value = wanted;
}

function showSeedError(wrong: boolean): void {
  seed.setAttribute("aria-invalid", String(wrong));
  seedError.textContent = wrong ? "A seed is a whole number from 0 to 9007199254740991." : "";
}
