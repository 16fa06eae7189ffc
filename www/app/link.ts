// Links carry a picture as its settings: the same query gives the same picture again.

import type { Backend } from "tenstep";
import { seedFromText } from "./seed.js";
import type { Settings } from "./settings.js";

/** What the page's address asks for. Absent fields leave the page's own choice. */
export interface Link extends Partial<Settings> {
  backend?: Backend;
}

/** Reads a query such as `?prompt=a+red+apple&seed=7&backend=cpu`. What it cannot read it leaves out. */
export function linkFromQuery(query: string): Link {
  const values = new URLSearchParams(query);
  const link: Link = {};
  const prompt = values.get("prompt");
  const negativePrompt = values.get("negative");
  const style = values.get("style");
  const solver = values.get("solver");
  const schedule = values.get("schedule");
  const backend = values.get("backend");
  const seed = seedFromText(values.get("seed") ?? "");
  // An empty text would count as zero.
  const steps = Number(values.get("steps") || NaN);
  const guidanceScale = Number(values.get("guidance") || NaN);

  if (prompt !== null) link.prompt = prompt;
  if (negativePrompt !== null) link.negativePrompt = negativePrompt;
  if (style !== null) link.style = style;
  if (solver !== null) link.solver = solver;
  if (schedule !== null) link.schedule = schedule;
  if (backend === "webgpu" || backend === "cpu") link.backend = backend;
  if (seed !== null) link.seed = seed;
  if (Number.isInteger(steps) && steps >= 1 && steps <= 1000) link.steps = steps;
  if (guidanceScale >= 0 && guidanceScale <= 100) link.guidanceScale = guidanceScale;
  return link;
}

/** The address under which the page makes the picture of `settings` again. */
export function addressFromSettings(settings: Settings): string {
  const values = new URLSearchParams({ prompt: settings.prompt });
  if (settings.negativePrompt) values.set("negative", settings.negativePrompt);
  if (settings.style) values.set("style", settings.style);
  values.set("seed", String(settings.seed));
  values.set("steps", String(settings.steps));
  values.set("guidance", String(settings.guidanceScale));
  if (settings.solver) values.set("solver", settings.solver);
  if (settings.schedule) values.set("schedule", settings.schedule);
  return `${location.origin}${location.pathname}?${values}`;
}
