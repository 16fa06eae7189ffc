// What platform.ts says, for Node: worker threads, addresses relative to the working folder, pictures as plain objects.

import { pathToFileURL } from "node:url";
import { Worker as Thread, type TransferListItem } from "node:worker_threads";
import type { WorkerPort } from "../platform.js";
import type { Response } from "../protocol.js";

export function startWorker(workerUrl: string | undefined): WorkerPort {
  // Without the program's own flags, some of which refuse to start a file.
  return new ThreadPort(new Thread(new URL(workerUrl ?? "./worker.js", import.meta.url), { execArgv: [] }));
}

export function baseAddress(): string {
  return `${pathToFileURL(process.cwd()).href}/`;
}

/** Node has no ImageData: an object with the same properties. */
export function createImage(data: Uint8ClampedArray<ArrayBuffer>, width: number, height: number): ImageData {
  return { data, width, height, colorSpace: "srgb" } as ImageData;
}

/** A thread behind the calls of a Worker. It keeps the program running only while a request is under way. */
class ThreadPort implements WorkerPort {
  onmessage: WorkerPort["onmessage"] = null;
  onmessageerror: WorkerPort["onmessageerror"] = null;
  onerror: WorkerPort["onerror"] = null;
  #thread: Thread;
  #waiting = new Set<number>();

  constructor(thread: Thread) {
    this.#thread = thread;
    thread.on("message", (response: Response) => {
      if (response.type === "done" || response.type === "failed") this.#settle(response.id);
      this.onmessage?.({ data: response } as MessageEvent);
    });
    thread.on("messageerror", (error) => this.onmessageerror?.({ data: error } as MessageEvent));
    thread.on("error", (error) => this.#fail(error instanceof Error ? error : new Error(String(error))));
    // Out of memory, or process.exit inside the thread. After `terminate` nobody listens.
    thread.on("exit", (status) => this.#fail(new Error(`its thread ended with status ${status}`)));
    // A listener keeps the program running until it is told not to.
    thread.unref();
  }

  postMessage(message: unknown, { transfer = [] }: { transfer?: MessagePort[] } = {}): void {
    // First, for one that cannot be sent is never answered.
    this.#thread.postMessage(message, transfer as unknown as TransferListItem[]);
    const { id, type } = message as { id?: number; type: string };
    if (id !== undefined && type !== "abort") {
      this.#waiting.add(id);
      this.#thread.ref();
    }
  }

  terminate(): void {
    this.onerror = null;
    void this.#thread.terminate();
  }

  #settle(id: number): void {
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#thread.unref();
  }

  #fail(error: Error): void {
    this.onerror?.({ message: error.message, preventDefault: () => undefined } as unknown as ErrorEvent);
  }
}
