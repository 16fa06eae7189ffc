// What a caller may pass in and gets back: plain objects, documented with units and ranges.

import type { Tenstep } from "./tenstep.js";

/** Where the networks run. */
export type Backend = "webgpu" | "cpu";

/** What products, which are nearly all the work, are computed in on a GPU. */
export type Arithmetic = "f32" | "f16" | "int8";

/** What is being waited for while a model loads. Bytes are those of shards that are there; none is counted before it is. */
export interface LoadProgress {
  /** `engine`: the wasm module; `download`: the model's shards; `compile`: pipelines and plans. */
  phase: "engine" | "download" | "compile";
  /** `cachedBytes` and `networkBytes` together. A shard that turns out damaged is taken off and counted anew. */
  loadedBytes: number;
  /** Bytes of all shards as the manifest gives them; 0 until the manifest is known. */
  totalBytes: number;
  /** Bytes that this browser had kept from an earlier load, those of a broken download included. */
  cachedBytes: number;
  /** Bytes that came over the network in this load. */
  networkBytes: number;
  /** Bytes that were verified and handed to the device, whole shards at a time. */
  uploadedBytes: number;
}

/** Which model to load, and how. */
export interface LoadOptions {
  /** Address of manifest.json, its shards beside it: no `blob:` or `data:`. Relative addresses are resolved against the page. */
  manifest: string | URL;
  /** Other addresses of the same manifest, its shards beside each: asked in this order where the one before fails. */
  mirrors?: (string | URL)[];
  /**
   * Where the model is kept for later loads: the origin private file system or Cache Storage. `auto` takes the first that
   * works, `none` keeps nothing. Default `auto`.
   */
  store?: "auto" | "opfs" | "cache" | "none";
  /**
   * Forces a backend. Without it, what `beside` was loaded with; else WebGPU where the adapter is a real GPU, the CPU
   * elsewhere.
   */
  backend?: Backend;
  /**
   * How many threads may compute on the CPU. Two share the work of guided steps and give the same picture; the second has
   * weights of its own. Default: 2 where the browser tells of two processors or more.
   */
  threads?: 1 | 2;
  /**
   * For GPUs that are quicker in narrow numbers. `f16`: factors are 16-bit floats, where the GPU has them. `int8`: where weights are
   * integers of 8 bits so is what they are multiplied by, where the browser has integer dot products. A picture then differs a little;
   * docs/architecture.md has the bounds. Default: `f32`.
   */
  arithmetic?: Arithmetic;
  /**
   * A Tenstep whose worker this model shall share, and where backend and arithmetic are the same its engine and device. It may be
   * disposed before this one. `workerUrl` and `wasmUrl` are those of its load.
   */
  beside?: Tenstep;
  /** Address of worker.js, where it does not lie beside index.js. */
  workerUrl?: string | URL;
  /** Address of the folder that holds tenstep_gpu_bg.wasm and tenstep_cpu_bg.wasm, where it is not wasm/ beside worker.js. */
  wasmUrl?: string | URL;
  /** Called while the model loads, at most every 30 ms within a phase, and again when it has to be loaded anew. */
  onProgress?: (progress: LoadProgress) => void;
  /** Aborting rejects `load` with the signal's reason, and ends the worker or, with `beside`, the load in it. */
  signal?: AbortSignal;
}

/** Where the model is kept, and where it came from. */
export interface StorageReport {
  /** `none` also where a store failed or was full: the model works, but the next load fetches what is missing. */
  kind: "opfs" | "cache" | "none";
  /** A sentence for people: what keeps the model, or why nothing does. */
  reason: string;
  /** Whether the browser has promised not to evict what is kept, as far as it has answered. */
  persisted: boolean;
  /** `store` where the network or the server was down and the kept manifest had to do; `model.revision` tells which it is. */
  manifest: "network" | "store";
}

/** Which backend runs, on what, and why. */
export interface BackendReport {
  /** What runs the networks. */
  backend: Backend;
  /** The adapter's description, or what the CPU backend uses. */
  device: string;
  /** Whether the GPU has 16-bit floats. */
  shaderF16: boolean;
  /** What products are computed in: what was asked for where the GPU can, else `f32`. */
  arithmetic: Arithmetic;
  /** How many threads compute at the moment: 2 once a second one has joined on the CPU, a moment after the load. */
  threads: 1 | 2;
  /** A sentence for people: why this backend was chosen. */
  reason: string;
}

/** What the manifest says about the loaded model. */
export interface ModelInfo {
  /** For people. */
  name: string;
  /** Which state of the model this is. */
  revision: string;
  /** SPDX expression; `NOASSERTION` where whoever converted the model did not say. */
  licence: string;
  /** Number of parameters in all components. */
  parameters: number;
  /** Whether large matrices are rounded to int8, because the GPU had no room for them as they are stored. */
  rounded: boolean;
  /** Floating-point operations of one guided network evaluation at the default size. */
  evaluationFlops: number;
  /** Floating-point operations of one decode at the default size. */
  decodeFlops: number;
  /** Pixels. */
  defaultWidth: number;
  /** Pixels. */
  defaultHeight: number;
  /** Width and height must be multiples of this many pixels. */
  sizeMultiple: number;
  /** Largest width x height. */
  maxPixels: number;
  /** Words that `style` accepts; empty for a model without styles. */
  styles: string[];
  /** Names that `solver` accepts, without those that people know them by. */
  solvers: string[];
  /** Names that `schedule` accepts. */
  schedules: string[];
  /** What a picture is made with where its options do not say. */
  defaults: { steps: number; guidanceScale: number; solver: string; schedule: string };
}

/** Options of solvers; one that a solver does not have is an error that names those that it has. */
export interface SolverOptions {
  /** The most model values that a step uses, from 1. */
  order?: number;
  /** `midpoint` or `heun` for the DPM-Solver family, `bh1` or `bh2` for UniPC. */
  solver_type?: "midpoint" | "heun" | "bh1" | "bh2";
  /** How much of the noise a step takes away is drawn anew, 0 to 1. */
  eta?: number;
  /** Factor of the noise drawn anew, 0 to 2. */
  s_noise?: number;
  /** Noise from one path for any number of steps, or drawn for each evaluation. */
  noise_sampler?: "brownian" | "independent";
  /** Noise added before steps, over the whole run, 0 to 1000. */
  s_churn?: number;
  /** The lowest sigma / alpha at which `s_churn` adds noise. */
  s_tmin?: number;
  /** The highest. */
  s_tmax?: number;
  /** Adaptive steps: the error that a step may make in an element, 1e-6 to 1. */
  atol?: number;
  /** The same as a part of the element, 0 to 1. */
  rtol?: number;
  /** Whether a new model value also corrects the sample it was computed for. */
  corrector?: boolean;
  /** Lower orders at the end of short runs. */
  lower_order_final?: boolean;
  /** First order at the last step. */
  euler_at_final?: boolean;
  /** Where the picture ends: without noise, or at the noise of timestep 0. */
  final_sigmas?: "zero" | "sigma_min";
  /** Models of pixels: whether estimates of the picture are kept to the range of pixels. Default: the checkpoint's. */
  thresholding?: boolean;
  /** Thresholding: the part of the pixels that lie within what becomes the range, 0 to 1. */
  dynamic_thresholding_ratio?: number;
  /** Thresholding: how far beyond the range that may be, 1 to 1000. */
  sample_max_value?: number;
}

/** The picture to make. Everything is optional: `{}` is the unconditional picture. */
export interface PictureOptions {
  /** Default "". Text beyond the encoder's length is cut and said so in `warnings`. */
  prompt?: string;
  /** What the picture should not show. Default "". */
  negativePrompt?: string;
  /** One of `model.styles`, or "" for none. Default "". */
  style?: string;
  /** The budget of network evaluations, an integer from 1 to 1000. Default `model.defaults.steps`. */
  steps?: number;
  /** Classifier-free guidance, 0 to 100; 1 and less switches guidance off. Default `model.defaults.guidanceScale`. */
  guidanceScale?: number;
  /** How far guidance's contrast is brought back to that of the prompt alone, 0 to 1. Default 0. */
  guidanceRescale?: number;
  /** The sigma / alpha at which there is guidance: above the first, up to the second. Default all, `[0, Infinity]`. */
  guidanceInterval?: [number, number];
  /** One of `model.solvers`, or a name that people know, such as "DPM++ 2M Karras", which may imply a schedule. Default `model.defaults.solver`. */
  solver?: string;
  /** What the solver does beyond its defaults, by diffusers' and k-diffusion's names. Each solver has some of them. */
  solverOptions?: SolverOptions;
  /** One of `model.schedules`: how the steps are spaced. Default what `solver`'s name implies, else `model.defaults.schedule`. */
  schedule?: string;
  /** In place of `steps` and `schedule`: the timesteps to evaluate at, falling, at most 1001; fractions are allowed. */
  timesteps?: number[];
  /** The same by sigma / alpha (for flow matching by `s`, from 1), falling, with where the picture ends as the last, usually 0. */
  sigmas?: number[];
  /** An integer from 0 to 2^53 - 1. The same seed gives the same picture. Default: a random one, given back in the result. */
  seed?: number;
  /** Pixels, a multiple of `model.sizeMultiple`; width x height is at most `model.maxPixels`. Default `model.defaultWidth`. */
  width?: number;
  /** Pixels, a multiple of `model.sizeMultiple`. Default `model.defaultHeight`. */
  height?: number;
}

/** Where a picture stands after a step. */
export interface StepReport {
  /** Network evaluations done, from 1 to `steps`. */
  step: number;
  /** Evaluations in all; with an adaptive solver the most there can be, until the last. */
  steps: number;
  /** A cheap estimate of the picture, smaller than it; null where none is ready yet. */
  preview: ImageData | null;
}

/** What `generate` does while earlier calls of it are not done. */
export type WhenBusy =
  /** Waits for them. */
  | "queue"
  /** Aborts them: they reject with an `AbortError`. */
  | "replace"
  /** Rejects at once with code `busy`. */
  | "reject";

/** The picture to make, and how to follow and end the call. */
export interface GenerateOptions extends PictureOptions {
  /** Called after each step. What it throws ends the picture and rejects `generate`. */
  onStep?: (report: StepReport) => void;
  /** Called when the engine was lost: the picture goes on from its last step on another, or begins anew with another revision. */
  onInterruption?: (interruption: Interruption) => void;
  /** Default `"queue"`. */
  whenBusy?: WhenBusy;
  /** Aborting rejects with the signal's reason at once; the step under way is finished and thrown away. */
  signal?: AbortSignal;
}

/** The picture to make step by step. */
export interface StartOptions extends PictureOptions {
  /** Called when the engine was lost: the run goes on from its last step on another. */
  onInterruption?: (interruption: Interruption) => void;
  /** Aborting rejects `start` with the signal's reason. The run that it gave is ended by `dispose`. */
  signal?: AbortSignal;
}

/** An engine that was lost under a picture, which then went on from its last step on another; with another revision of the model, from its first. */
export interface Interruption {
  /** What ended it. */
  code: "device-lost" | "engine-crashed";
  /** The same in a sentence. */
  message: string;
  /** Network evaluations done when it happened. */
  step: number;
}

/** Where a run stands, apart from its options. */
export interface RunState {
  /** Network evaluations done. */
  evaluations: number;
  /** With an adaptive solver, what each attempt was judged by; else empty. */
  errors: number[];
  /** The solver's tensors of the latents' size, one after the other. */
  values: Float32Array;
}

/** A run to go on with later, in another worker, page or browser. Plain data: IndexedDB and `postMessage` take it as it is. */
export interface SavedRun {
  /** 1, the version of this format. */
  version: 1;
  /** The revision of the model that made it, which alone can go on with it. */
  revision: string;
  /** The options of its start, with the seed that was used. */
  options: PictureOptions;
  /** Where it stood. */
  state: RunState;
}

/** How to follow a run that goes on. */
export interface ResumeOptions {
  /** Called when the engine was lost: the run goes on from its last step on another. */
  onInterruption?: (interruption: Interruption) => void;
  /** Aborting rejects `resume` with the signal's reason. */
  signal?: AbortSignal;
}

/** Where the time went, in milliseconds. */
export interface Timings {
  /** Tokenizer and text encoder. */
  text: number;
  /** One entry a network evaluation. */
  steps: number[];
  /** Latents to pixels, read-back included. */
  decode: number;
  /** From the moment the worker took the request up to the finished picture; time in the queue is not in it. */
  total: number;
}

/** A finished picture, and how it came to be. */
export interface Picture {
  /** RGBA, straight alpha. */
  image: ImageData;
  /** The seed that was used. */
  seed: number;
  /** Steps of the solver; fewer than network evaluations (`timings.steps.length`) where it takes several for one. */
  solverSteps: number;
  /** Where the time went. */
  timings: Timings;
  /** Sentences about input that was changed, such as a prompt that was cut, and about what was done because memory is short. */
  warnings: string[];
  /** Engines that were lost on the way, in order; mostly none. `timings` are those since the last. */
  interruptions: Interruption[];
}
