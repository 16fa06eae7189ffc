// Locks by name among all tabs and workers of an origin. They end with their holder, however that ends.

import { STORE_NAME } from "./store.js";

/** Runs `job` alone. Where the browser has no locks it just runs. Aborting while waiting rejects with the signal's reason. */
export async function alone<T>(name: string, signal: AbortSignal, job: () => Promise<T>): Promise<T> {
  const locks = globalThis.navigator?.locks;
  if (!locks) return job();
  return (await locks.request(lockOf(name), { signal }, job)) as T;
}

/** Runs `job` unless somebody else holds the lock, and gives whether it ran. */
export async function ifFree(name: string, job: () => Promise<void>): Promise<boolean> {
  const locks = globalThis.navigator?.locks;
  if (!locks) return job().then(() => true);
  return locks.request(lockOf(name), { ifAvailable: true }, async (lock) => {
    if (lock) await job();
    return lock !== null;
  });
}

function lockOf(name: string): string {
  return `${STORE_NAME}:${name}`;
}
