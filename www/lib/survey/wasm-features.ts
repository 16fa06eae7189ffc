// What WebAssembly can do here: the browser validates a module that uses the feature.

import { simdLoop } from "./simd-loop.js";

export function hasSimd(): boolean {
  return isValid(simdLoop());
}

/** A module with shared memory, on a page that may share it. */
export function hasThreads(): boolean {
  const sharedMemory = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 5, 4, 1, 3, 1, 1]);
  return (globalThis.crossOriginIsolated ?? false) && typeof SharedArrayBuffer === "function" && isValid(sharedMemory);
}

function isValid(module: Uint8Array<ArrayBuffer>): boolean {
  return typeof WebAssembly === "object" && WebAssembly.validate(module);
}
