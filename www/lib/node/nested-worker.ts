// The `Worker` of browsers inside a thread of Node: the same script once more, whatever its address is said to be.

import { Worker as Thread } from "node:worker_threads";

export class NestedWorker {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onmessageerror: (() => void) | null = null;
  onerror: ((event: { preventDefault(): void }) => void) | null = null;
  #thread: Thread;

  /** `script` is the file of the thread that starts it. It ends with that thread. */
  constructor(script: URL) {
    this.#thread = new Thread(script, { execArgv: [] });
    this.#thread.unref();
    const fail = () => this.onerror?.({ preventDefault: () => undefined });
    this.#thread.on("message", (data) => this.onmessage?.({ data }));
    this.#thread.on("messageerror", () => this.onmessageerror?.());
    this.#thread.on("error", fail);
    this.#thread.on("exit", fail);
  }

  postMessage(message: unknown, transfer: ArrayBuffer[] = []): void {
    this.#thread.postMessage(message, transfer);
  }

  terminate(): void {
    this.onerror = null;
    void this.#thread.terminate();
  }
}
