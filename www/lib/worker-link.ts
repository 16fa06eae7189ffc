// One model in a worker, from its load to its end: requests go out, answers, progress and failures come back.

import { errorFromWire, TenstepError } from "./errors.js";
import type { ModelHost } from "./model-host.js";
import type { LoadProgress } from "./options.js";
import type { ModelRequest, Response, Stepped, Value, Without } from "./protocol.js";

export interface RequestOptions {
  signal?: AbortSignal | undefined;
  onProgress?: ((progress: LoadProgress) => void) | undefined;
  onStepped?: ((report: Stepped) => void) | undefined;
}

export interface WorkerNews {
  /** How many threads compute from now on; 1 at the start. */
  onThreads(threads: 1 | 2): void;
  /** Called once, when the model is no longer there for whatever reason. */
  onClosed(reason: Error): void;
}

interface Call extends RequestOptions {
  resolve(value: Value): void;
  reject(error: unknown): void;
}

export class WorkerLink {
  #host: ModelHost;
  #model: number;
  #calls = new Map<number, Call>();
  #closedBecause: Error | null = null;
  #news: WorkerNews;

  /** `model`: the page's number of the model. */
  constructor(host: ModelHost, model: number, news: WorkerNews) {
    this.#host = host;
    this.#model = model;
    this.#news = news;
  }

  get isClosed(): boolean {
    return this.#closedBecause !== null;
  }

  /** Whether the call that was rejected with `error` may be what ended the worker: it was at work, or nobody knows. */
  wasEndedBy(error: Error): boolean {
    return error === this.#closedBecause;
  }

  request(message: Without<"id" | "model", ModelRequest>, options: RequestOptions = {}): Promise<Value> {
    if (this.#closedBecause) return Promise.reject(this.#closedBecause);
    const { signal } = options;
    if (signal?.aborted) return Promise.reject(signal.reason);
    return new Promise<Value>((resolve, reject) => {
      const id = this.#host.post({ ...message, model: this.#model });
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
      signal?.addEventListener("abort", abort, { once: true });
      this.#calls.set(id, {
        resolve: (value) => settle(() => resolve(value)),
        reject: (error) => settle(() => reject(error)),
        onProgress: guarded(options.onProgress),
        onStepped: guarded(options.onStepped),
      });
    });
  }

  /**
   * Frees the model. Whatever is still waiting is stopped, and rejected with `reason`, or with one of the same code where a
   * `culprit` is known.
   */
  close(reason: Error, culprit?: number): void {
    if (this.#closedBecause) return;
    this.#closedBecause = reason;
    const ofBystanders = culprit && reason instanceof TenstepError ? new TenstepError(reason.code, reason.message, { cause: reason }) : reason;
    for (const [id, call] of [...this.#calls]) {
      this.#cancel(id);
      call.reject(id === culprit ? reason : ofBystanders);
    }
    this.#host.leave(this, this.#model);
    this.#news.onClosed(reason);
  }

  /** Takes in what is said to this model, or to one of its calls. */
  receive(response: Response): void {
    if ("model" in response) {
      if (response.type === "threads" && response.model === this.#model) this.#news.onThreads(response.threads);
      return;
    }
    const call = this.#calls.get(response.id);
    switch (response.type) {
      case "progress":
        return call?.onProgress?.(response.progress);
      case "stepped":
        return call?.onStepped?.(response.report);
      case "done":
        return call?.resolve(response.value);
      case "failed":
        return call?.reject(errorFromWire(response.error));
    }
  }

  #cancel(target: number): void {
    this.#host.post({ type: "abort", target });
  }
}
