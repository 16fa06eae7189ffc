// From a loop's speed to a network's: engines reach a part of what arithmetic alone would allow.

import type { Backend } from "../options.js";
import type { Needs } from "./model-needs.js";
import type { Speed, TimeEstimate } from "./report.js";

/** The part of the loop's speed that an engine reached with the default model, by the processor time both took. */
const REACHED: Record<Backend, { part: number; where: string }> = {
  cpu: { part: 0.63, where: "on an x86-64 processor with nothing else to do" },
  webgpu: { part: 0.065, where: "on a software adapter; no hardware GPU was compared" },
};

export function timeEstimate(needs: Needs, { backend, threads }: { backend: Backend; threads: 1 | 2 }, speed: Speed | null, wanted: number | undefined): TimeEstimate | null {
  if (!speed || needs.evaluationFlops === null) return null;
  const steps = wanted ?? needs.defaultSteps;
  const { part, where } = REACHED[backend];
  const evaluationMillis = needs.evaluationFlops / (threads * part * speed.gflops * 1e6) + speed.latencyMillis;
  return {
    steps,
    seconds: (steps * evaluationMillis) / 1000,
    assumes: `that the engine reaches ${100 * part} % of the measured speed, as it did with the default model ${where}${threads === 2 ? ", on each of two threads" : ""}`,
  };
}
