// The survey in a few sentences.

import type { Capabilities } from "./report.js";

export function summaryOf(report: Omit<Capabilities, "summary">, trouble: string | null): string {
  const { backend, device, threads, reason, adapter, wasm, speed, model } = report;
  const sentences = [reason];
  sentences.push(`Pictures are made by ${backend === "webgpu" ? `WebGPU on ${device}` : `the ${device}, on ${threads === 2 ? "two threads" : "one thread"}`}.`);
  if (adapter) {
    const half = adapter.shaderF16 ? "has 16-bit floats" : "has no 16-bit floats";
    sentences.push(`The adapter ${half} and binds up to ${megabytes(adapter.limits.maxStorageBufferBindingSize)} at once.`);
  }
  if (backend === "cpu" && !wasm.simd) sentences.push("But this browser has no WebAssembly SIMD, which the CPU backend needs.");
  if (speed) sentences.push(`It computes at up to ${figure(speed.gflops)} GFLOP/s${threads === 2 ? " a thread" : ""}.`);
  if (trouble !== null) sentences.push(`Its speed could not be measured: ${trouble}.`);
  if (model) {
    sentences.push(`${model.name} downloads ${megabytes(model.downloadBytes)} and needs about ${megabytes(model.memoryBytes)} of memory.`);
    if (model.estimate) {
      const { steps, seconds, assumes } = model.estimate;
      sentences.push(`${steps} steps should take about ${figure(seconds)} s. This assumes ${assumes}.`);
    }
  }
  return sentences.join(" ");
}

function megabytes(bytes: number): string {
  return `${figure(bytes / 1e6)} MB`;
}

/** Two digits say as much as an estimate knows. */
function figure(value: number): string {
  return String(value >= 10 ? Math.round(value) : Number(value.toPrecision(2)));
}
