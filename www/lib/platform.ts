// What differs between a page and Node: how a worker starts, what an address is relative to, and what a picture is.
// node/platform.ts says the same for Node, and takes this file's place in the package's entry point for it.

/** The part of a Worker that is used here. */
export interface WorkerPort {
  onmessage: ((event: MessageEvent) => void) | null;
  onmessageerror: ((event: MessageEvent) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
  postMessage(message: unknown, options?: { transfer?: MessagePort[] }): void;
  terminate(): void;
}

export function startWorker(workerUrl: string | undefined): WorkerPort {
  // Bundlers recognise this expression as it stands; keep it a literal.
  if (workerUrl === undefined) return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  return new Worker(workerUrl, { type: "module" });
}

export function baseAddress(): string | undefined {
  return globalThis.document?.baseURI ?? globalThis.location?.href;
}

export function createImage(data: Uint8ClampedArray<ArrayBuffer>, width: number, height: number): ImageData {
  return new ImageData(data, width, height);
}
