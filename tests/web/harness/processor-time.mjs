// What the workers of Chromium have computed, as Linux counts it: a busy machine makes them wait, not compute.

import { readdirSync, readFileSync } from "node:fs";

/** Of a clock that ticks a hundred times a second. */
const TICK_MILLIS = 10;

/** Milliseconds of processor by thread, of all workers in browsers that this process has started. */
export function workerMillis() {
  const found = new Map();
  for (const { thread, stat } of threadsUnder(process.pid)) {
    const [, name, rest] = /\((.*)\) (.*)/.exec(stat);
    const [user, system] = rest.split(" ").slice(11, 13).map(Number);
    if (name.startsWith("DedicatedWorker")) found.set(thread, TICK_MILLIS * (user + system));
  }
  return found;
}

/** Threads of a process and of those it has started; those that end meanwhile are left out. */
function threadsUnder(pid) {
  return listed(`/proc/${pid}/task`).flatMap((thread) => {
    const read = (file) => readOrEmpty(`/proc/${pid}/task/${thread}/${file}`);
    const stat = read("stat");
    const below = read("children").split(" ").filter(Boolean).flatMap(threadsUnder);
    return stat === "" ? below : [{ thread, stat }, ...below];
  });
}

function listed(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function readOrEmpty(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
