// The wasm module as the worker sees it (src/web in Rust). Both modules export the same, but for what makes pairs.

import type { Decoded, Standing, Started, Stepped } from "./protocol.js";
import type { Arithmetic, BackendReport, ModelInfo, PictureOptions, RunState } from "./options.js";

export interface EngineModule {
  default(options: { module_or_path: URL | WebAssembly.Module }): Promise<unknown>;
  /** On WebGPU products are computed in `arithmetic` where the device can. */
  Engine: { create(arithmetic: Arithmetic): Promise<Engine> };
}

/** One promise at a time. What answers at once may be called meanwhile. */
export interface Engine {
  report(): Omit<BackendReport, "threads" | "reason">;
  /** Checks everything that the manifest says; nothing is allocated for a manifest that contradicts itself. */
  begin(manifestJson: string, rounded?: boolean): ModelToLoad;
  /** Checks length and SHA-256, uploads, keeps nothing of `bytes`. Any order. On the CPU it computes the digest where that is not given. */
  pushShard(model: number, shard: number, bytes: Uint8Array, sha256?: Uint8Array): Promise<void>;
  finish(model: number): Promise<void>;
  abandon(model: number): void;
  start(model: number, options: PictureOptions): Promise<Omit<Started, "step" | "done"> & { run: number }>;
  step(run: number): Promise<Stepped>;
  state(run: number): Promise<RunState>;
  /** Takes a run that has made no step to where another with the same options stood. */
  restore(run: number, state: RunState): Standing;
  decode(run: number): Promise<Decoded>;
  latents(run: number): Promise<Float32Array>;
  drop(run: number): void;
  free(): void;
}

/** What the CPU's module has besides, for two threads. */
export interface PairingEngine extends Engine {
  /** The compiled module. */
  module(): WebAssembly.Module;
  /** Has guided runs evaluate the half without the prompt elsewhere, until that fails once. */
  pair(model: number, evaluate: EvaluateHalf): void;
  /** In place of `finish`: the UNet alone, which needs only its own shards. */
  finishUnet(model: number): Promise<void>;
  /** The `model_output`. `drop(model)` ends it, with `disposed`. */
  evaluate(model: number, ...half: Parameters<EvaluateHalf>): Promise<Float32Array>;
}

/** Begins, and gives what promises the `model_output`: called when the other half is done. Width and height are pixels. */
export type EvaluateHalf = (
  sample: Float32Array, timesteps: Float32Array, step: number, encoderHiddenStates: Float32Array, width: number, height: number,
) => () => Promise<Float32Array>;

export function isPairing(engine: Engine): engine is PairingEngine {
  return "pair" in engine;
}

export interface ModelToLoad {
  model: number;
  shards: ShardInfo[];
  totalBytes: number;
  /** Whether the model takes less of the device when it is begun as `rounded`. */
  canBeRounded: boolean;
  info: ModelInfo;
}

export interface ShardInfo {
  /** The engine's number of the shard. */
  shard: number;
  /** Relative to the manifest. */
  file: string;
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
  component: string;
}
