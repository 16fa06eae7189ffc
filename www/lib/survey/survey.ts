// Looks at the browser and at a model's manifest, and puts both together.

import { choose, probeAdapter, threadsFor, type Probe } from "../choose-backend.js";
import type { SurveyPlan } from "../check-options.js";
import { openStore } from "../store/open.js";
import { ShardStore } from "../store/shard-store.js";
import { untilAborted } from "../until-aborted.js";
import { fetchManifest } from "../weights/manifest.js";
import { measureCpu } from "./cpu-speed.js";
import { measureGpu } from "./gpu-speed.js";
import { needsFromManifest, type Needs } from "./model-needs.js";
import type { AdapterReport, Capabilities, ModelNeeds, Speed, TimeEstimate } from "./report.js";
import { summaryOf } from "./summary.js";
import { timeEstimate } from "./time-estimate.js";
import { hasSimd, hasThreads } from "./wasm-features.js";

export async function survey({ manifest, backend: forced, threads: wanted, steps, measureSpeed, signal }: SurveyPlan): Promise<Capabilities> {
  const text = manifest === undefined ? null : manifestText(manifest, signal ?? new AbortController().signal);
  text?.catch(() => undefined); // Awaited below: the browser comes first.

  const probe = await untilAborted(probeAdapter(), signal);
  const { backend, device, reason } = choose(forced, probe);
  const threads = threadsFor(backend, wanted);
  const needs = text && needsFromManifest(await text, backend, threads);
  const measured = measureSpeed ? await measure(backend, probe, signal) : { speed: null, trouble: null };
  const report = {
    backend,
    device,
    threads,
    reason,
    adapter: probe.adapter && adapterReport(probe.adapter, probe),
    wasm: { simd: hasSimd(), threads: hasThreads() },
    isCrossOriginIsolated: globalThis.crossOriginIsolated ?? false,
    speed: measured.speed,
    model: needs && modelReport(needs, timeEstimate(needs, { backend, threads }, measured.speed, steps)),
  };
  return { ...report, summary: summaryOf(report, measured.trouble) };
}

function modelReport({ defaultSteps: _, ...needs }: Needs, estimate: TimeEstimate | null): ModelNeeds {
  return { ...needs, estimate };
}

/** As `load` gets it: without a network, the copy that an earlier load kept. */
async function manifestText(address: string, signal: AbortSignal): Promise<string> {
  const store = new ShardStore(await openStore("auto"));
  return (await fetchManifest([address], store, signal)).text;
}

interface Measured {
  speed: Speed | null;
  /** Why there is no speed, where it was asked for. */
  trouble: string | null;
}

/** A device that cannot be measured is still one that may work: no failure but the caller's abort ends the survey. */
async function measure(backend: Capabilities["backend"], { adapter }: Probe, signal: AbortSignal | undefined): Promise<Measured> {
  try {
    const speed = backend === "webgpu" && adapter ? await measureGpu(adapter, signal) : await measureCpu(signal);
    return { speed, trouble: null };
  } catch (error) {
    signal?.throwIfAborted();
    return { speed: null, trouble: error instanceof Error ? error.message : String(error) };
  }
}

function adapterReport(adapter: GPUAdapter, { device, isSoftware }: Probe): AdapterReport {
  const { info, features, limits } = adapter;
  const { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup } = limits;
  return {
    name: device ?? "",
    vendor: info.vendor,
    architecture: info.architecture,
    isSoftware,
    shaderF16: features.has("shader-f16"),
    subgroups: features.has("subgroups"),
    limits: { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize, maxComputeInvocationsPerWorkgroup },
  };
}
