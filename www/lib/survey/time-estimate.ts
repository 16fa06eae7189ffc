// From a loop's speed to a network's: engines reach a part of what arithmetic alone would allow.

import type { Backend } from "../options.js";
import type { Needs } from "./model-needs.js";
import type { Speed, TimeEstimate } from "./report.js";

/** The part of the loop's speed that the engine reached with the default model. */
const REACHED: Record<Backend, number> = { webgpu: 0.1, cpu: 0.3 };

export function timeEstimate(needs: Needs, backend: Backend, speed: Speed | null, wanted: number | undefined): TimeEstimate | null {
  if (!speed || needs.evaluationFlops === null) return null;
  const steps = wanted ?? needs.defaultSteps;
  const part = REACHED[backend];
  const evaluationMillis = needs.evaluationFlops / (speed.gflops * part * 1e6) + speed.latencyMillis;
  return {
    steps,
    seconds: (steps * evaluationMillis) / 1000,
    assumes: "",
  };
}
