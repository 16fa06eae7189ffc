// The CPU's second thread, as the first sees it: a worker of this worker, with an engine and a UNet of its own. It is a help
// and no more: whatever is amiss with it, the load and the pictures go on without it.

import type { EvaluateHalf, PairingEngine, ShardInfo } from "./engine.js";
import type { FromPartner, ToPartner } from "./protocol.js";

/** How long its half may take: this, and so many times what the other half took. A worker that is ended from outside says nothing. */
const PATIENCE_MILLIS = 10_000;
const PATIENCE_TIMES = 4;

interface Question {
  id: number;
  began: number;
  resolve(modelOutput: Float32Array): void;
  reject(reason: Error): void;
  timer?: ReturnType<typeof setTimeout>;
}

export class Partner {
  #worker: Worker;
  #ready: Promise<void>;
  #isClosed = false;
  #question: Question | null = null;
  #nextId = 1;
  #onClosed: () => void = () => undefined;

  /** Null where workers cannot start workers. */
  static start(module: WebAssembly.Module, manifest: string): Partner | null {
    try {
      return new Partner(startWorker(), module, manifest);
    } catch {
      return null;
    }
  }

  private constructor(worker: Worker, module: WebAssembly.Module, manifest: string) {
    this.#worker = worker;
    this.#ready = new Promise((resolve, reject) => {
      this.#onClosed = () => reject(new Error("the partner is gone"));
      worker.onmessage = ({ data }: MessageEvent<FromPartner>) => (data.type === "ready" ? resolve() : this.#receive(data));
    });
    this.#ready.catch(() => undefined); // It may be gone before anybody asks.
    worker.onmessageerror = () => this.close();
    // Its script did not load, or its engine trapped in a callback.
    worker.onerror = (event) => {
      event.preventDefault();
      this.close();
    };
    this.#post({ type: "partner", manifest, module });
  }

  /** Gives it a copy of a shard that the engine has taken, if it needs that. */
  take({ shard, component }: ShardInfo, bytes: Uint8Array): void {
    if (this.#isClosed || component !== "unet") return;
    const copy = bytes.slice();
    this.#post({ type: "shard", shard, bytes: copy }, [copy.buffer]);
  }

  /** Once it is ready it takes part in the model's guided runs. `onThreads` hears of that, and of its end. */
  join(engine: PairingEngine, model: number, onThreads: (threads: 1 | 2) => void): void {
    this.#post({ type: "finish" });
    const joined = this.#ready.then(() => {
      this.#onClosed = () => onThreads(1);
      engine.pair(model, this.#evaluate);
      onThreads(2);
    });
    joined.catch(() => this.close());
  }

  /** Ends an evaluation that nobody waits for any more. */
  stop(): void {
    if (this.#question) this.#post({ type: "stop" });
    this.#settle()?.reject(new Error("the evaluation was stopped"));
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#worker.terminate();
    this.#onClosed();
    this.#settle()?.reject(new Error("the partner is gone"));
  }

  #evaluate: EvaluateHalf = (sample, timestep, encoderHiddenStates, width, height) => {
    this.stop();
    const id = this.#nextId++;
    const modelOutput = new Promise<Float32Array>((resolve, reject) => (this.#question = { id, began: performance.now(), resolve, reject }));
    modelOutput.catch(() => undefined); // An aborted run does not come back for it.
    if (this.#isClosed) this.#settle()?.reject(new Error("the partner is gone"));
    else this.#post({ type: "evaluate", id, sample, timestep, encoderHiddenStates, width, height }, [sample.buffer, encoderHiddenStates.buffer]);
    return () => {
      const question = this.#question;
      if (question?.id === id) {
        const patience = PATIENCE_MILLIS + PATIENCE_TIMES * (performance.now() - question.began);
        question.timer = setTimeout(() => this.close(), patience);
      }
      return modelOutput;
    };
  };

  /** What answers a question that is not asked any more is ignored. */
  #receive(answer: Exclude<FromPartner, { type: "ready" }>): void {
    const isWanted = answer.id === this.#question?.id;
    if (answer.type === "evaluated" && isWanted) this.#settle()?.resolve(answer.modelOutput);
    if (answer.type === "failed" && (isWanted || answer.id === 0)) this.close();
  }

  #settle(): Question | null {
    const question = this.#question;
    this.#question = null;
    clearTimeout(question?.timer);
    return question;
  }

  #post(message: ToPartner, transfer: ArrayBufferLike[] = []): void {
    this.#worker.postMessage(message, transfer as ArrayBuffer[]);
  }
}

/** This worker's own script once more. Its address is that of this worker wherever it was started from, so no bundler needs to know. */
function startWorker(): Worker {
  return new Worker(globalThis.location?.href ?? "", { type: isModule() ? "module" : "classic" });
}

/** Some bundlers make classic workers of modules. Only modules answer with a TypeError, before they look at the address. */
function isModule(): boolean {
  const { importScripts } = globalThis as { importScripts?: (address: string) => void };
  if (!importScripts) return true;
  try {
    importScripts("http://[");
    return false;
  } catch (error) {
    return error instanceof TypeError;
  }
}
