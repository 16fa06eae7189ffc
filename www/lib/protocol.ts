// What the page and the worker say to each other. Types only: every message is one line, every line one meaning.

import type { WireError } from "./errors.js";
import type { Backend, BackendReport, LoadProgress, ModelInfo, PictureOptions, RunState, StorageReport, Timings } from "./options.js";
import type { StoreChoice } from "./store/open.js";

/** The page numbers its requests (`id`) and its runs (`run`), so that it can name both before the worker answers. */
export type Request =
  | { id: number; type: "load"; manifest: string; mirrors: string[]; store: StoreChoice; backend?: Backend; threads?: 1 | 2; wasmUrl?: string }
  | { id: number; type: "generate"; options: PictureOptions; state?: RunState }
  | { id: number; type: "start"; run: number; options: PictureOptions; state?: RunState }
  | { id: number; type: "step"; run: number }
  | { id: number; type: "state"; run: number }
  | { id: number; type: "decode"; run: number }
  | { id: number; type: "latents"; run: number }
  | { id: number; type: "drop"; run: number }
  | { id: number; type: "abort"; target: number };

/** What is no request, and gets no answer: that a worker is a partner, and to the one that wanted it, that it is gone. */
export type Notice = { type: "partner"; seed: PartnerSeed } | { type: "partner-lost"; partner: number };

/** Makes a worker the partner of another, which has the port's other end. */
export interface PartnerSeed {
  manifest: string;
  module: WebAssembly.Module;
  port: MessagePort;
}

/** What a worker says to its partner. After `finish` that evaluates. */
export type ToPartner =
  | { type: "shard"; shard: number; bytes: Uint8Array; sha256: Uint8Array | undefined }
  | { type: "finish" }
  | ({ type: "evaluate"; id: number } & Half)
  | { type: "stop" };

/** What the partner answers. A failure ends it, but for that of an evaluation that was stopped. */
export type FromPartner =
  | { type: "ready" }
  | { type: "evaluated"; id: number; modelOutput: Float32Array }
  | { type: "failed"; id: number; error: WireError };

/** What the UNet reads for one half of guidance's batch; width and height are pixels. */
export interface Half {
  sample: Float32Array;
  timestep: number;
  encoderHiddenStates: Float32Array;
  width: number;
  height: number;
}

/** `done` and `failed` end a request; the others do not. After a `fatal` failure the worker is of no more use. */
export type Response =
  | { id: number; type: "done"; value: Value }
  | { id: number; type: "failed"; error: WireError; fatal: boolean }
  | { id: number; type: "progress"; progress: LoadProgress }
  | { id: number; type: "stepped"; report: Stepped }
  /** Of no request (`id` 0), as what follows: a partner has joined, or is gone. */
  | { id: number; type: "threads"; threads: 1 | 2 }
  /** The worker numbers its partners. */
  | { id: number; type: "partner-wanted"; partner: number; seed: PartnerSeed }
  | { id: number; type: "partner-done"; partner: number };

export type Value = Loaded | Started | Stepped | RunState | Decoded | Generated | Float32Array | undefined;

export interface Loaded {
  backend: Omit<BackendReport, "threads">;
  model: ModelInfo;
  storage: Omit<StorageReport, "persisted">;
}

export interface Started extends Standing {
  seed: number;
  width: number;
  height: number;
  warnings: string[];
}

export interface Standing {
  /** Network evaluations done. */
  step: number;
  steps: number;
  solverSteps: number;
  done: boolean;
}

export interface Stepped extends Standing {
  preview: Pixels | null;
  /** Where the run stood after this step or one before; null where none has arrived in time. */
  state: RunState | null;
}

/** RGBA, 8 bits a channel, straight alpha. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8ClampedArray<ArrayBuffer>;
}

export interface Decoded extends Pixels {
  timings: Omit<Timings, "total">;
  /** Those of the start, and what the decoder had to do. */
  warnings: string[];
}

export interface Generated extends Pixels {
  seed: number;
  solverSteps: number;
  timings: Timings;
  warnings: string[];
}
