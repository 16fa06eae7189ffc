// One picture through the package's steps, with what it took and where its latents ended.

import type { PictureOptions, Tenstep } from "tenstep";
import { untilAborted } from "../until-aborted.js";

export interface Measured {
  image: ImageData;
  latents: Float32Array;
  evaluations: number;
  /** Text, evaluations and picture. */
  milliseconds: number;
  warnings: string[];
}

/** Makes the picture of `options`; `onStep` hears after each evaluation how many are done and how many there are. */
export async function measure(
  tenstep: Tenstep,
  options: PictureOptions,
  signal: AbortSignal,
  onStep: (done: number, all: number) => void,
): Promise<Measured> {
  const run = await tenstep.start({ ...options, signal });
  try {
    while (!run.done) {
      await untilAborted(run.step(), signal);
      onStep(run.stepsDone, run.steps);
    }
    const { image, timings } = await untilAborted(run.image(), signal);
    const latents = await untilAborted(run.latents(), signal);
    return { image, latents, evaluations: run.stepsDone, milliseconds: timings.total, warnings: run.warnings };
  } finally {
    await run.dispose();
  }
}
