// What `capabilities` takes and tells: plain objects, with units.

import type { Backend } from "../options.js";

export interface CapabilitiesOptions {
  /** Address of a manifest.json, to be told what its model needs. Nothing else of the model is fetched. */
  manifest?: string | URL;
  /** As for `load`: without it, what `load` would choose. */
  backend?: Backend;
  /** Network evaluations that the estimated time is for, 1 to 1000. Default: those of the manifest. */
  steps?: number;
  /** Whether to measure how fast the backend computes, which keeps it busy for about 50 ms. Default true. */
  measureSpeed?: boolean;
  /** Aborting rejects with the signal's reason. */
  signal?: AbortSignal;
}

export interface Capabilities {
  /** What `load` would run on, on what, and why. A model can still turn out too large for a GPU; then the CPU takes over. */
  backend: Backend;
  device: string;
  reason: string;
  /** Null where there is no WebGPU adapter. */
  adapter: AdapterReport | null;
  wasm: {
    /** The CPU backend needs it. */
    simd: boolean;
    /** Shared memory and atomics on a cross-origin isolated page. The CPU backend uses one thread all the same. */
    threads: boolean;
  };
  isCrossOriginIsolated: boolean;
  /** Null where it was not asked for or could not be measured; `summary` says why. */
  speed: Speed | null;
  /** Null without `manifest`. */
  model: ModelNeeds | null;
  /** All this in a few sentences for people. */
  summary: string;
}

export interface AdapterReport {
  name: string;
  vendor: string;
  architecture: string;
  /** Whether the processor does the GPU's work. */
  isSoftware: boolean;
  shaderF16: boolean;
  subgroups: boolean;
  /** Bytes, and invocations of a workgroup. */
  limits: {
    maxBufferSize: number;
    maxStorageBufferBindingSize: number;
    maxComputeWorkgroupStorageSize: number;
    maxComputeInvocationsPerWorkgroup: number;
  };
}

export interface Speed {
  /** Billions of f32 operations a second in a loop of multiplications and additions that touches no memory. */
  gflops: number;
  /** From handing over work to hearing of its end, in milliseconds; 0 on the CPU. */
  latencyMillis: number;
}

export interface ModelNeeds {
  name: string;
  revision: string;
  /** What `load` fetches, in bytes. */
  downloadBytes: number;
  /** The largest tensor as stored. */
  largestTensorBytes: number;
  /** An estimate of the peak on the chosen backend, weights and intermediate values of a picture of the default size. */
  memoryBytes: number;
  /** Floating-point operations of one guided evaluation at the default size; null for a network of unknown kind. */
  evaluationFlops: number | null;
  /** Null where speed or operations are not known. */
  estimate: TimeEstimate | null;
}

export interface TimeEstimate {
  steps: number;
  /** For the steps alone: the text, the decoder and the load come on top. */
  seconds: number;
  /** What the figure rests on. */
  assumes: string;
}
