// What `capabilities` takes and tells: plain objects, with units.

import type { Backend } from "../options.js";

/** What to find out. */
export interface CapabilitiesOptions {
  /** Address of a manifest.json, to be told what its model needs. Nothing else of the model is fetched. */
  manifest?: string | URL;
  /** As for `load`: without it, what `load` would choose. */
  backend?: Backend;
  /** As for `load`. */
  threads?: 1 | 2;
  /** Network evaluations that the estimated time is for, 1 to 1000. Default: those of the manifest. */
  steps?: number;
  /** Whether to measure how fast the backend computes, which keeps it busy for about 50 ms. Default true. */
  measureSpeed?: boolean;
  /** Aborting rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** What this browser can do, found out before anything of a model but its manifest is fetched. */
export interface Capabilities {
  /** What `load` would run on, on what, and why. A model can still turn out too large for a GPU; then the CPU takes over. */
  backend: Backend;
  /** The adapter's description, or what the CPU backend uses. */
  device: string;
  /** How many threads would compute: 1 on WebGPU. */
  threads: 1 | 2;
  /** A sentence for people: why this backend. */
  reason: string;
  /** Null where there is no WebGPU adapter. */
  adapter: AdapterReport | null;
  /** What WebAssembly offers here. */
  wasm: {
    /** The CPU backend needs it. */
    simd: boolean;
    /** Shared memory and atomics on a cross-origin isolated page. The CPU backend needs neither, for its second thread either. */
    threads: boolean;
  };
  /** Whether the page is cross-origin isolated. Nothing here needs it. */
  isCrossOriginIsolated: boolean;
  /** Null where it was not asked for or could not be measured; `summary` says why. */
  speed: Speed | null;
  /** Null without `manifest`. */
  model: ModelNeeds | null;
  /** All this in a few sentences for people. */
  summary: string;
}

/** The WebGPU adapter, as far as the browser describes it. */
export interface AdapterReport {
  /** The best description that there is. */
  name: string;
  /** Empty where the browser hides it. */
  vendor: string;
  /** Empty where the browser hides it. */
  architecture: string;
  /** Whether the processor does the GPU's work. */
  isSoftware: boolean;
  /** Whether shaders may compute in 16-bit floats. */
  shaderF16: boolean;
  /** Whether shaders may exchange values within a subgroup. */
  subgroups: boolean;
  /** Bytes, and invocations of a workgroup. */
  limits: {
    maxBufferSize: number;
    maxStorageBufferBindingSize: number;
    maxComputeWorkgroupStorageSize: number;
    maxComputeInvocationsPerWorkgroup: number;
  };
}

/** How fast the backend computes, as measured: on the CPU one thread. */
export interface Speed {
  /** Billions of f32 operations a second in a loop of multiplications and additions that touches no memory. */
  gflops: number;
  /** From handing over work to hearing of its end, in milliseconds; 0 on the CPU. */
  latencyMillis: number;
}

/** What a model needs, from its manifest. */
export interface ModelNeeds {
  /** As its manifest names it. */
  name: string;
  /** The revision of its weights. */
  revision: string;
  /** What `load` fetches, in bytes. */
  downloadBytes: number;
  /** The largest tensor as stored. */
  largestTensorBytes: number;
  /**
   * An estimate of the peak on the chosen backend, weights and intermediate values of a picture of the default size. On two
   * threads the weights of the UNet count twice.
   */
  memoryBytes: number;
  /** Floating-point operations of one guided evaluation at the default size; null for a network of unknown kind. */
  evaluationFlops: number | null;
  /** Null where speed or operations are not known. */
  estimate: TimeEstimate | null;
}

/** About how long a picture takes. */
export interface TimeEstimate {
  /** Network evaluations. */
  steps: number;
  /** For the steps alone: the text, the decoder and the load come on top. */
  seconds: number;
  /** What the figure rests on. */
  assumes: string;
}
