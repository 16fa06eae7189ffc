// A finished picture with all that is known about it: what the stage shows, the album keeps and a comparison compares.

import type { Backend, Timings } from "tenstep";
import type { Settings } from "./settings.js";

export interface Entry {
  /** Its number in the album; absent until it is kept there. */
  id?: number;
  /** Milliseconds since 1970. */
  time: number;
  settings: Settings;
  /** Name and revision of the model that made it. */
  model: string;
  backend: Backend;
  timings: Timings;
  /** Steps of the solver. */
  solverSteps: number;
  /** The picture, with its settings inside. */
  png: Blob;
}

/** The words of a picture, short enough for a line: its prompt, or that there was none. */
export function subjectOf({ prompt }: Pick<Settings, "prompt">, length = 200): string {
  const subject = prompt.trim() || "No prompt";
  const letters = [...subject];
  return letters.length > length ? `${letters.slice(0, length).join("")}…` : subject;
}
