// Four more pictures with the next seeds, all else the same. Cancelling keeps those that are there.

import type { Tenstep } from "tenstep";
import { elements } from "./elements.js";
import type { Entry } from "./entry.js";
import { makeEntry } from "./make.js";
import { showProgress } from "./progress.js";
import { stampItem } from "./stamp.js";
import { announce } from "./status.js";

const COUNT = 4;

const { variations, variationList } = elements;

/** Makes the variations of `origin`; `open` is called when somebody presses one. */
export async function makeVariations(
  origin: Entry,
  tenstep: Tenstep,
  signal: AbortSignal,
  open: (entry: Entry) => void,
): Promise<void> {
  const { settings } = origin;
  variationList.replaceChildren();
  announce(`Making ${COUNT} variations.`);
  for (let index = 0; index < COUNT; index++) {
    const words = `Variation ${index + 1} of ${COUNT}`;
    showProgress(words, index, COUNT);
    const entry = await makeEntry(tenstep, { ...settings, seed: seedAfter(settings.seed, index + 1) }, signal, (step, steps) =>
      showProgress(`${words}: step ${step} of ${steps}`, index + step / steps, COUNT),
    );
    variationList.append(stampItem(entry, `seed ${entry.settings.seed}`, () => open(entry)));
    variations.hidden = false;
  }
  announce(`${COUNT} variations are ready.`);
}

/** Takes the variations of an earlier picture away. */
export function forgetVariations(): void {
  variationList.replaceChildren();
  variations.hidden = true;
}

/** Seeds go round after the largest. */
function seedAfter(seed: number, distance: number): number {
  const left = Number.MAX_SAFE_INTEGER - seed;
  return distance <= left ? seed + distance : distance - left - 1;
}
