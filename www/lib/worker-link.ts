// One worker, from its start to its end: requests go out, answers, progress and failures come back.

import { errorFromWire, TenstepError } from "./errors.js";
import type { LoadProgress } from "./options.js";
import { startWorker, type WorkerPort } from "./platform.js";
import type { Notice, PartnerSeed, Request, Response, Stepped, Value } from "./protocol.js";

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never;

export interface RequestOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: LoadProgress) => void) | undefined;
  onStepped?: ((report: Stepped) => void) | undefined;
}

export interface WorkerNews {
  /** How many threads compute from now on; 1 at the start. */
  onThreads(threads: 1 | 2): void;
  /** Called once, when the worker has ended for whatever reason. */
  onClosed(reason: Error): void;
}

interface Call extends RequestOptions {
  resolve(value: Value): void;
  reject(error: unknown): void;
}

export class WorkerLink {
  #workerUrl: string | undefined;
  #worker: WorkerPort;
  /** The worker's second threads, by its numbers. */
  #partners = new Map<number, WorkerPort>();
  #calls = new Map<number, Call>();
  #nextId = 1;
  #hasSpoken = false;
  #closedBecause: Error | null = null;
  #news: WorkerNews;

  constructor(workerUrl: string | undefined, news: WorkerNews) {
    this.#news = news;
    this.#workerUrl = workerUrl;
    this.#worker = started(workerUrl);
    this.#worker.onmessage = (event: MessageEvent<Response>) => this.#receive(event.data);
    this.#worker.onmessageerror = () => this.close(crashed("a message of the worker could not be read"));
    // An exception that no promise carries: the script did not load, or wasm trapped in a callback.
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.close(
        this.#hasSpoken
          ? crashed(event.message)
          : new TenstepError("engine-unavailable", `the worker could not be started: ${event.message ?? "its script did not load"}`),
      );
    };
  }

  get isClosed(): boolean {
    return this.#closedBecause !== null;
  }

  /** Whether the call that was rejected with `error` may be what ended the worker: it was at work, or nobody knows. */
  wasEndedBy(error: Error): boolean {
    return error === this.#closedBecause;
  }

  request(message: WithoutId<Request>, options: RequestOptions = {}): Promise<Value> {
    if (this.#closedBecause) return Promise.reject(this.#closedBecause);
    const { signal } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    const id = this.#nextId++;
    return new Promise<Value>((resolve, reject) => {
      const abort = () => {
        this.#cancel(id);
        settle(() => reject(signal?.reason));
      };
      const settle = (how: () => void) => {
        this.#calls.delete(id);
        signal?.removeEventListener("abort", abort);
        how();
      };
      // What a caller's callback throws ends the call and reaches the caller.
      const guarded = <T>(callback: ((report: T) => void) | undefined) =>
        callback &&
        ((report: T) => {
          try {
            callback(report);
          } catch (error) {
            this.#cancel(id);
            settle(() => reject(error));
          }
        });
      this.#worker.postMessage({ ...message, id });
      signal?.addEventListener("abort", abort, { once: true });
      this.#calls.set(id, {
        resolve: (value) => settle(() => resolve(value)),
        reject: (error) => settle(() => reject(error)),
        onProgress: guarded(options.onProgress),
        onStepped: guarded(options.onStepped),
      });
    });
  }

  /** Ends the worker; whatever is still waiting is rejected with `reason`, or with one of the same code where a `culprit` is known. */
  close(reason: Error, culprit?: number): void {
    if (this.#closedBecause) return;
    this.#closedBecause = reason;
    this.#worker.terminate();
    for (const partner of this.#partners.keys()) this.#endPartner(partner);
    const ofBystanders = culprit && reason instanceof TenstepError ? new TenstepError(reason.code, reason.message, { cause: reason }) : reason;
    for (const [id, call] of [...this.#calls]) call.reject(id === culprit ? reason : ofBystanders);
    this.#news.onClosed(reason);
  }

  #cancel(target: number): void {
    if (!this.isClosed) this.#worker.postMessage({ id: this.#nextId++, type: "abort", target } satisfies Request);
  }

  #startPartner(number: number, seed: PartnerSeed): void {
    const lost = () => {
      this.#endPartner(number);
      this.#worker.postMessage({ type: "partner-lost", partner: number } satisfies Notice);
    };
    try {
      const partner = startWorker(this.#workerUrl);
      this.#partners.set(number, partner);
      // What it has to say goes through its port; here it says only that something is amiss.
      partner.onmessage = partner.onmessageerror = lost;
      partner.onerror = (event) => {
        event.preventDefault();
        lost();
      };
      partner.postMessage({ type: "partner", seed } satisfies Notice, { transfer: [seed.port] });
    } catch {
      lost();
    }
  }

  #endPartner(number: number): void {
    this.#partners.get(number)?.terminate();
    this.#partners.delete(number);
  }

  #receive(response: Response): void {
    this.#hasSpoken = true;
    const call = this.#calls.get(response.id);
    switch (response.type) {
      case "threads":
        return this.#news.onThreads(response.threads);
      case "partner-wanted":
        return this.#startPartner(response.partner, response.seed);
      case "partner-done":
        return this.#endPartner(response.partner);
      case "progress":
        return call?.onProgress?.(response.progress);
      case "stepped":
        return call?.onStepped?.(response.report);
      case "done":
        return call?.resolve(response.value);
      case "failed": {
        const error = errorFromWire(response.error);
        if (response.fatal) this.close(error, response.id);
        else call?.reject(error);
      }
    }
  }
}

function started(workerUrl: string | undefined): WorkerPort {
  try {
    return startWorker(workerUrl);
  } catch (cause) {
    throw new TenstepError("engine-unavailable", `the worker could not be started: ${String(cause)}`, { cause });
  }
}

function crashed(message: string | undefined): TenstepError {
  return new TenstepError("engine-crashed", `the engine stopped: ${message ?? "unknown reason"}`);
}
