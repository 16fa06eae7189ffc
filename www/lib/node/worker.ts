// The worker as a thread of Node: gives worker.js the names that it knows from browsers, and then starts it.
// The thread is the package's own, so nothing of the program's is changed.

import { availableParallelism } from "node:os";
import { parentPort } from "node:worker_threads";
import { fetchWithFiles } from "./file-fetch.js";
import { findGpu } from "./gpu.js";

const port = parentPort!;

/** wgpu asks whether it runs in a worker of a browser before it asks for `navigator.gpu`. */
class WorkerGlobalScope {
  static [Symbol.hasInstance](value: unknown): boolean {
    return value === globalThis;
  }
}

const scope = {
  self: globalThis,
  WorkerGlobalScope,
  isSecureContext: true,
  fetch: fetchWithFiles,
  postMessage: (message: unknown, transfer: ArrayBuffer[]) => port.postMessage(message, transfer),
  addEventListener: (type: string, listener: (event: { reason: unknown }) => void) => {
    if (type === "unhandledrejection") process.on("unhandledRejection", (reason) => listener({ reason }));
  },
  onmessage: null as ((event: { data: unknown }) => void) | null,
};
for (const [name, value] of Object.entries(scope)) define(name, value);
define("navigator", { gpu: await findGpu(), hardwareConcurrency: availableParallelism() });

// The thread's queue is read from the first listener on: only once there is a worker to hear it.
await import("../worker.js");
port.on("message", (data) => (globalThis as unknown as typeof scope).onmessage?.({ data }));

function define(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
}
