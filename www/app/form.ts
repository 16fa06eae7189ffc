// The form: what a person asked for, and which choices the model offers.

import type { ModelInfo, PictureOptions } from "tenstep";
import { elements } from "./elements.js";
import type { Link } from "./link.js";
import { randomSeed, seedFromText } from "./seed.js";

/** All that a picture of this page depends on. */
export type Settings = Required<Omit<PictureOptions, "width" | "height" | "solverOptions" | "timesteps" | "sigmas">>;

const { style, negativePrompt, steps, guidance, seed, seedLock, seedError, solver, schedule } = elements;

/** Readable names for what models call by a short word; what is not listed is shown as it is. */
const labels: Record<string, string> = {
  "dpmpp-2m": "DPM-Solver++ 2M",
  "dpmpp-3m": "DPM-Solver++ 3M",
  "dpmpp-2s": "DPM-Solver++ 2S",
  "dpmpp-3s": "DPM-Solver++ 3S",
  "dpmpp-2m-sde": "DPM-Solver++ 2M SDE",
  "dpmpp-3m-sde": "DPM-Solver++ 3M SDE",
  "dpmpp-2s-a": "DPM-Solver++ 2S, ancestral",
  "dpm-2m": "DPM-Solver 2M",
  "dpm-3m": "DPM-Solver 3M",
  "dpm-2s": "DPM-Solver 2S",
  "dpm-3s": "DPM-Solver 3S",
  "dpm-fast": "DPM-Solver fast",
  dpm2: "DPM2",
  "dpm2-a": "DPM2, ancestral",
  ddim: "DDIM",
  ddpm: "DDPM",
  deis: "DEIS",
  "deis-rhoab": "DEIS, rho AB",
  "deis-tab": "DEIS, t AB",
  "rhork-3": "DEIS, rho RK 3",
  "rhork-4": "DEIS, rho RK 4",
  euler: "Euler",
  "euler-a": "Euler, ancestral",
  heun: "Heun",
  lms: "LMS",
  plms: "PLMS",
  ipndm: "iPNDM",
  "s-pndm": "S-PNDM",
  pndm: "F-PNDM",
  unipc: "UniPC",
  "sa-solver": "SA-Solver",
  lcm: "LCM (distilled models)",
  tcd: "TCD (distilled models)",
  consistency: "Consistency (distilled models)",
  trailing: "Trailing",
  leading: "Leading",
  linspace: "Evenly spaced",
  karras: "Karras",
  exponential: "Exponential",
  beta: "Beta",
  simple: "Simple",
  normal: "Normal",
  sgm_uniform: "SGM uniform",
  ddim_uniform: "DDIM uniform",
  noto: "Noto",
  blob: "Noto blobs",
  fluent: "Fluent",
  flat: "Fluent, flat",
  twemoji: "Twemoji",
};

/** Whether a model's own choices have been put into the fields, which a person may have changed since. */
let offered = false;
/** Sliders that a person moved: perhaps before the model had arrived with its own idea. */
const moved = new Set<HTMLInputElement>();

/** Makes the fields live: sliders show their value, a typed seed is kept, the die draws one. */
export function connectForm(): void {
  for (const slider of [steps, guidance]) {
    slider.addEventListener("input", () => {
      moved.add(slider);
      showSliders();
    });
  }
  seed.addEventListener("input", () => {
    seedLock.checked = seed.value.trim() !== "";
    showSeedError(false);
  });
  elements.dice.addEventListener("click", () => {
    seed.value = String(randomSeed());
    seedLock.checked = true;
    showSeedError(false);
  });
  showSliders();
}

/** Offers what the model offers. The first time a link has a say; after that what a person chose stays, where it exists. */
export function offerModel(info: ModelInfo, wanted: Link): void {
  const first: Partial<Settings> = offered ? {} : { ...info.defaults, ...wanted };
  offered = true;
  fill(style, ["", ...info.styles], first.style);
  fill(solver, info.solvers, first.solver);
  fill(schedule, info.schedules, first.schedule);
  if (first.steps !== undefined) slide(steps, first.steps);
  if (first.guidanceScale !== undefined) slide(guidance, first.guidanceScale);
  elements.styleField.hidden = info.styles.length === 0;
}

/** Puts what a link carries into the fields that need no model. */
export function followLink(link: Link): void {
  elements.prompt.value = link.prompt ?? "";
  negativePrompt.value = link.negativePrompt ?? "";
  elements.backend.value = link.backend ?? "auto";
  if (link.seed !== undefined) {
    seed.value = String(link.seed);
    seedLock.checked = true;
  }
}

/** What the form asks for, or `null` if the seed is none; the form then shows where and why. */
export function readForm(): Settings | null {
  const kept = seedLock.checked && seed.value.trim() !== "";
  const value = kept ? seedFromText(seed.value) : randomSeed();
  showSeedError(value === null);
  if (value === null) {
    seed.focus();
    return null;
  }
  seed.value = String(value);
  return {
    prompt: elements.prompt.value,
    negativePrompt: negativePrompt.value,
    style: style.value,
    steps: steps.valueAsNumber,
    guidanceScale: guidance.valueAsNumber,
    solver: solver.value,
    schedule: schedule.value,
    seed: value,
  };
}

function showSliders(): void {
  const guided = guidance.valueAsNumber > 1 ? guidance.value : `${guidance.value} (off)`;
  elements.stepsValue.textContent = steps.value;
  elements.guidanceValue.textContent = guided;
  guidance.setAttribute("aria-valuetext", guided);
}

/** Moves a slider to `value`, and its end as well where a link asks for more than the page would offer. */
function slide(slider: HTMLInputElement, value: number): void {
  if (moved.has(slider)) return;
  slider.max = String(Math.max(Number(slider.max), value));
  slider.value = String(value);
  showSliders();
}

/** Puts `values` into a select, and `wanted` or what it said before on top. */
function fill(select: HTMLSelectElement, values: readonly string[], wanted = select.value): void {
  select.replaceChildren(...values.map((value) => new Option(value === "" ? "Any" : (labels[value] ?? value), value)));
  if (values.includes(wanted)) select.value = wanted;
}

function showSeedError(wrong: boolean): void {
  seed.setAttribute("aria-invalid", String(wrong));
  seedError.textContent = wrong ? "A seed is a whole number from 0 to 9007199254740991." : "";
}
