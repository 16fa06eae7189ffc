// How fast one thread multiplies and adds vectors, as the CPU backend does.

import type { Speed } from "./report.js";
import { FLOPS_PER_TURN, simdLoop } from "./simd-loop.js";

/** Of computing; the pauses between slices come on top. */
const BUDGET_MILLIS = 50;
/** Long enough for a clock of a tenth of a millisecond; short enough that some slices pass without an interruption. */
const SLICE_MILLIS = 2;

export async function measureCpu(signal: AbortSignal | undefined): Promise<Speed> {
  const { instance } = await WebAssembly.instantiate(simdLoop());
  const run = instance.exports["run"] as (turns: number) => number;
  let turns = 1000;
  let best = 0;
  // The browser compiles well only what it has seen run, and the processor is not ours alone: the fastest slice counts.
  for (let spent = 0; spent < BUDGET_MILLIS; ) {
    signal?.throwIfAborted();
    const began = performance.now();
    run(turns);
    const millis = performance.now() - began;
    spent += Math.max(millis, 0.1);
    if (millis >= SLICE_MILLIS / 2) best = Math.max(best, (turns * FLOPS_PER_TURN) / (millis * 1e6));
    turns = Math.ceil(turns * Math.min(8, Math.max(1 / 8, SLICE_MILLIS / Math.max(millis, 0.1))));
    await new Promise((resolve) => setTimeout(resolve));
  }
  if (best === 0) throw new Error("the processor was too busy to be measured");
  return { gflops: best, latencyMillis: 0 };
}
