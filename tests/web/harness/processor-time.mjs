// What the workers of Chromium have computed, as Linux counts it: a busy machine makes them wait, not compute.

import { readOrEmpty, threadsUnder } from "./processes.mjs";

/** Of a clock that ticks a hundred times a second. */
const TICK_MILLIS = 10;

/** Milliseconds of processor by thread, of all workers in browsers that this process has started. */
export function workerMillis() {
  const found = new Map();
  for (const { pid, thread } of threadsUnder(process.pid)) {
    const stat = readOrEmpty(`/proc/${pid}/task/${thread}/stat`);
    if (stat === "") continue;
    const [, name, rest] = /\((.*)\) (.*)/.exec(stat);
    const [user, system] = rest.split(" ").slice(11, 13).map(Number);
    if (name.startsWith("DedicatedWorker")) found.set(thread, TICK_MILLIS * (user + system));
  }
  return found;
}
