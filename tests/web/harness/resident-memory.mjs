// What the processes of a browser hold, as the system counts it: a worker's heap is invisible to the page.

import { readFileSync } from "node:fs";
import { setTimeout } from "node:timers/promises";
import { readOrEmpty, threadsUnder } from "./processes.mjs";

/** Of a process: `VmRSS` for what it holds, `VmHWM` for the most it ever did. */
export function kibibytes(pid, field) {
  return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${pid}/status`, "utf8"))[1]);
}

/** What processes hold together, once it no longer falls: a worker's memory goes back some time after its end. */
export async function settledKibibytes(processes) {
  let least = Infinity;
  for (let quiet = 0; quiet < 8; quiet++) {
    const now = processes().reduce((sum, pid) => sum + kibibytes(pid, "VmRSS"), 0);
    if (now < least - 1024) quiet = 0;
    least = Math.min(least, now);
    await setTimeout(250);
  }
  return least;
}

/** The renderers and GPU processes of all Chromiums that this process has started. */
export function renderersAndGpuProcesses() {
  const pids = [...new Set(threadsUnder(process.pid).map(({ pid }) => pid))];
  return pids.filter((pid) => /--type=(renderer|gpu-process)/.test(readOrEmpty(`/proc/${pid}/cmdline`)));
}
