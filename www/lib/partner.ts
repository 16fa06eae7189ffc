// The CPU's second thread, as the first sees it: another worker of the page, with an engine and a UNet of its own. It is a help
// and no more: whatever is amiss with it, the load and the pictures go on without it.

import type { EvaluateHalf, PairingEngine, ShardInfo } from "./engine.js";
import type { FromPartner, PartnerSeed, ToPartner } from "./protocol.js";

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

/** Who starts and ends the worker: the page. A worker that starts another waits for that for ever in some Firefoxes, now and then. */
export interface PartnerHost {
  /** `onLost` hears that there is no such worker, or no more. */
  start(seed: PartnerSeed, onLost: () => void): void;
  end(): void;
  /** Hears when it has joined, and when it is gone. */
  onThreads(threads: 1 | 2): void;
}

export class Partner {
  #host: PartnerHost;
  #port: MessagePort;
  #ready: Promise<void>;
  #isClosed = false;
  #question: Question | null = null;
  #nextId = 1;
  #onClosed: () => void = () => undefined;

  constructor(module: WebAssembly.Module, manifest: string, host: PartnerHost) {
    const { port1, port2 } = new MessageChannel();
    this.#host = host;
    this.#port = port1;
    this.#ready = new Promise((resolve, reject) => {
      this.#onClosed = () => reject(new Error("the partner is gone"));
      port1.onmessage = ({ data }: MessageEvent<FromPartner>) => (data.type === "ready" ? resolve() : this.#receive(data));
    });
    this.#ready.catch(() => undefined); // It may be gone before anybody asks.
    port1.onmessageerror = () => this.close();
    host.start({ module, manifest, port: port2 }, () => this.close());
  }

  /** Gives it a copy of a shard that the engine has taken, if it needs that. */
  take({ shard, component }: ShardInfo, bytes: Uint8Array, sha256: Uint8Array | undefined): void {
    if (this.#isClosed || component !== "unet") return;
    const copy = bytes.slice();
    this.#post({ type: "shard", shard, bytes: copy, sha256 }, [copy.buffer]);
  }

  /** Once it is ready it takes part in the model's guided runs. */
  join(engine: PairingEngine, model: number): void {
    this.#post({ type: "finish" });
    const joined = this.#ready.then(() => {
      this.#onClosed = () => this.#host.onThreads(1);
      engine.pair(model, this.#evaluate);
      this.#host.onThreads(2);
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
    this.#port.close();
    this.#host.end();
    this.#onClosed();
    this.#settle()?.reject(new Error("the partner is gone"));
  }

  #evaluate: EvaluateHalf = (sample, timesteps, step, encoderHiddenStates, width, height) => {
    this.stop();
    const id = this.#nextId++;
    const modelOutput = new Promise<Float32Array>((resolve, reject) => (this.#question = { id, began: performance.now(), resolve, reject }));
    modelOutput.catch(() => undefined); // An aborted run does not come back for it.
    if (this.#isClosed) this.#settle()?.reject(new Error("the partner is gone"));
    else this.#post({ type: "evaluate", id, sample, timesteps, step, encoderHiddenStates, width, height }, [sample.buffer, encoderHiddenStates.buffer]);
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
    this.#port.postMessage(message, transfer as ArrayBuffer[]);
  }
}
