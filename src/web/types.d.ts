export interface BackendReport {
  backend: "webgpu" | "cpu";
  device: string;
  shaderF16: boolean;
  arithmetic: "f32" | "f16";
}

export interface ShardInfo {
  /** Index to give to `pushShard`. */
  shard: number;
  component: string;
  file: string;
  bytes: number;
  sha256: string;
}

export interface ModelInfo {
  name: string;
  revision: string;
  licence: string;
  parameters: number;
  /** Whether large matrices are rounded to int8, because memory was short for them as they are stored. */
  rounded: boolean;
  /** Floating-point operations of one guided network evaluation, and of one decode, at the default size. */
  evaluationFlops: number;
  decodeFlops: number;
  defaultWidth: number;
  defaultHeight: number;
  sizeMultiple: number;
  maxPixels: number;
  styles: string[];
  solvers: string[];
  schedules: string[];
  defaults: { steps: number; guidanceScale: number; solver: string; schedule: string };
}

export interface LoadPlan {
  model: number;
  shards: ShardInfo[];
  totalBytes: number;
  /** Whether the model takes less of the device when it is begun as `rounded`. */
  canBeRounded: boolean;
  info: ModelInfo;
}

export interface StartReport {
  run: number;
  seed: number;
  steps: number;
  solverSteps: number;
  width: number;
  height: number;
  warnings: string[];
}

export interface Picture {
  width: number;
  height: number;
  /** RGBA, straight alpha. */
  data: Uint8ClampedArray;
}

export interface Standing {
  /** Network evaluations done. */
  step: number;
  steps: number;
  solverSteps: number;
  done: boolean;
}

export interface StepReport extends Standing {
  /** An estimate of the picture at latent size, or null where none has arrived in time. */
  preview: Picture | null;
  /** Where the run stood after this step or one before; null where none has arrived in time. */
  state: RunState | null;
}

export interface RunState {
  /** Network evaluations done. */
  evaluations: number;
  /** With an adaptive solver, what each attempt was judged by. */
  errors: number[];
  /** Tensors of the latents' size, one after the other. */
  values: Float32Array;
}

export interface Timings {
  /** Milliseconds for the prompt, for each step, and for the autoencoder. */
  text: number;
  steps: number[];
  decode: number;
}

export interface DecodeReport {
  timings: Timings;
  /** Those of the start, and what the decoder had to do. */
  warnings: string[];
}
