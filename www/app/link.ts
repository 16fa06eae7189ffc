// Links carry a picture as its settings: the same query gives the same picture again.

import type { Backend } from "tenstep";
import { seedFromText } from "./seed.js";
import type { Settings } from "./settings.js";
import { checkedSettings } from "./settings-check.js";

/** What the page's address asks for. Absent fields leave the page's own choice. */
export interface Link extends Partial<Settings> {
  backend?: Backend;
}

/** Reads a query such as `?prompt=a+red+apple&seed=7&backend=cpu`. What it cannot read it leaves out. */
export function linkFromQuery(query: string): Link {
  const values = new URLSearchParams(query);
  const backend = values.get("backend");
  return {
    ...checkedSettings({
      prompt: values.get("prompt"),
      negativePrompt: values.get("negative"),
      style: values.get("style"),
      seed: seedFromText(values.get("seed") ?? ""),
      // An empty text would count as zero.
      steps: Number(values.get("steps") || NaN),
      guidanceScale: Number(values.get("guidance") || NaN),
      solver: values.get("solver"),
      schedule: values.get("schedule"),
    }),
    ...((backend === "webgpu" || backend === "cpu") && { backend }),
  };
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
