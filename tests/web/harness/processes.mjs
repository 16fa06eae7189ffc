// What this process has started, as Linux tells it; what ends meanwhile is left out.

import { readdirSync, readFileSync } from "node:fs";

/** Of a process and of those below it: `{ pid, thread }`. */
export function threadsUnder(pid) {
  return listed(`/proc/${pid}/task`).flatMap((thread) => {
    const children = readOrEmpty(`/proc/${pid}/task/${thread}/children`).split(" ").filter(Boolean);
    return [{ pid, thread }, ...children.flatMap(threadsUnder)];
  });
}

/** The text of a file that may be gone. */
export function readOrEmpty(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function listed(folder) {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
