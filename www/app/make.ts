// One picture: from settings through the engine to the stage and the album.

import type { Interruption, Tenstep } from "tenstep";
import { addToAlbum } from "./album.js";
import type { Entry } from "./entry.js";
import { happeningOf, showEvaluation } from "./happening.js";
import { pngFromImage, showPreview } from "./picture.js";
import { pngWithSettings } from "./png-settings.js";
import type { Settings } from "./settings.js";
import { showEntry } from "./stage.js";
import { showWarnings } from "./status.js";
import { clearStrip, showOnStrip } from "./strip.js";

const LOSSES = { "device-lost": "The GPU was reset", "engine-crashed": "The engine stopped" };

function interruptionText({ code, step }: Interruption): string {
  return `${LOSSES[code]} after ${step} ${step === 1 ? "step" : "steps"}; the picture went on with a new engine.`;
}

/** Makes the picture of `settings`, shows it, and keeps it; `onStep` hears how far it is. */
export async function makeEntry(
  tenstep: Tenstep,
  settings: Settings,
  signal: AbortSignal,
  onStep: (step: number, steps: number) => void,
): Promise<Entry> {
  clearStrip(settings.steps);
  happeningOf(null);
  const { image, solverSteps, timings, warnings, interruptions } = await tenstep.generate({
    ...settings,
    signal,
    onStep: ({ step, steps, preview }) => {
      onStep(step, steps);
      showEvaluation(step, steps);
      if (!preview) return;
      showPreview(preview);
      showOnStrip(step, steps, preview);
    },
  });
  const model = `${tenstep.model.name} ${tenstep.model.revision}`;
  const { width, height } = image;
  const png = await pngWithSettings(await pngFromImage(image), settings, { width, height, model });
  const entry: Entry = { time: Date.now(), settings, model, backend: tenstep.backend.backend, timings, solverSteps, png };
  await showEntry(entry);
  happeningOf(entry);
  showWarnings([...warnings, ...interruptions.map(interruptionText)]);
  await addToAlbum(entry);
  return entry;
}
