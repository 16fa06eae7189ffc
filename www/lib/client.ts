// The model of one Tenstep: loads it into a worker, and anew after a crash or a lost device.

import { TenstepError } from "./errors.js";
import { ModelHost } from "./model-host.js";
import type { Arithmetic, Backend, BackendReport, LoadProgress, StorageReport } from "./options.js";
import type { Loaded } from "./protocol.js";
import { Recovery } from "./recovery.js";
import { askToPersist } from "./store/persist.js";
import type { StoreChoice } from "./store/open.js";
import { untilAborted } from "./until-aborted.js";
import type { WorkerLink } from "./worker-link.js";

/** Load options after checking: absolute addresses only, since the worker has another base address. */
export interface LoadPlan {
  manifest: string;
  mirrors: string[];
  store: StoreChoice;
  backend: Backend | undefined;
  threads: 1 | 2 | undefined;
  arithmetic: Arithmetic | undefined;
  workerUrl: string | undefined;
  wasmUrl: string | undefined;
  onProgress: ((progress: LoadProgress) => void) | undefined;
}

export class Client {
  #plan: LoadPlan;
  #host: ModelHost;
  #session: Promise<WorkerLink> | null = null;
  #isLoading = false;
  #link: WorkerLink | null = null;
  #loaded: Loaded | null = null;
  #threads: 1 | 2 = 1;
  /** Why the last worker ended, while none has replaced it. */
  #lost: Error | null = null;
  #isDisposed = false;
  #isPersisted = false;

  constructor(plan: LoadPlan, host = new ModelHost(plan.workerUrl)) {
    this.#plan = plan;
    this.#host = host;
  }

  /** For another model in the same worker: with the files of this one, and the backend and arithmetic that were wanted here. */
  beside(plan: LoadPlan): Client {
    if (this.#isDisposed) throw new TenstepError("disposed", "the Tenstep to load beside was disposed; load without beside");
    const { backend, arithmetic, wasmUrl } = this.#plan;
    return new Client({ ...plan, backend: plan.backend ?? backend, arithmetic: plan.arithmetic ?? arithmetic, wasmUrl }, this.#host);
  }

  /** What runs now. */
  get backend(): BackendReport {
    return { ...this.loaded.backend, threads: this.#threads };
  }

  /** Backend and model as last loaded. */
  get loaded(): Loaded {
    if (!this.#loaded) throw new TenstepError("disposed", "no model is loaded");
    return this.#loaded;
  }

  get storage(): StorageReport {
    return { ...this.loaded.storage, persisted: this.#isPersisted };
  }

  /** The worker with the model in it. Starts one where there is none; callers share a load under way. */
  session(signal?: AbortSignal): Promise<WorkerLink> {
    if (this.#isDisposed) return Promise.reject(disposed());
    if (signal?.aborted) return Promise.reject(signal.reason);
    this.#session ??= this.#open();
    return untilAborted(this.#session, signal);
  }

  dispose(): void {
    this.#isDisposed = true;
    this.#link?.close(disposed());
  }

  async #open(): Promise<WorkerLink> {
    const lost = this.#lost;
    this.#isLoading = true;
    try {
      // Another model's call may end the worker during the load, or the device may be lost.
      return await new Recovery().run({ session: async () => this.#join() }, undefined, () => 0, (link) => this.#load(link));
    } catch (error) {
      this.#link?.close(error instanceof Error ? error : new Error(String(error)));
      this.#session = null;
      throw lost && !this.#isDisposed ? notBack(error, lost) : error;
    } finally {
      this.#isLoading = false;
    }
  }

  #join(): WorkerLink {
    if (this.#isDisposed) throw disposed();
    return (this.#link = this.#host.open({
      onThreads: (threads) => (this.#threads = threads),
      onClosed: (reason) => this.#forget(reason),
    }));
  }

  async #load(link: WorkerLink): Promise<WorkerLink> {
    const { manifest, mirrors, store, threads, arithmetic = "f32", wasmUrl, onProgress } = this.#plan;
    // After a loss the same backend has to come back: a silent change to the CPU would surprise.
    const backend = this.#loaded?.backend.backend ?? this.#plan.backend;
    const loaded = (await link.request(
      { type: "load", manifest, mirrors, store, arithmetic, ...(backend && { backend }), ...(threads && { threads }), ...(wasmUrl && { wasmUrl }) },
      { onProgress },
    )) as Loaded;
    // The first load's reason stands: a reload was told which backend to take.
    this.#loaded = { ...loaded, backend: { ...loaded.backend, reason: this.#loaded?.backend.reason ?? loaded.backend.reason } };
    this.#lost = null;
    if (loaded.storage.kind !== "none") void askToPersist().then((isPersisted) => (this.#isPersisted = isPersisted));
    return link;
  }

  #forget(reason: Error): void {
    this.#link = null;
    if (!this.#isLoading) this.#session = null;
    this.#threads = 1;
    this.#lost = this.#loaded ? (this.#lost ?? reason) : null;
  }
}

function disposed(): TenstepError {
  return new TenstepError("disposed", "this Tenstep was disposed; load another");
}

/** The error of a reload, with what made the reload necessary. */
function notBack(error: unknown, lost: Error): unknown {
  if (!(error instanceof TenstepError)) return error;
  return new TenstepError(error.code, `the engine did not come back after "${lost.message}": ${error.message}`, { cause: error });
}
