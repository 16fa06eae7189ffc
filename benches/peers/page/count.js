// Runs inside the browser: what one evaluation asks of the device and of JavaScript. Counting takes time, so nothing is timed here.

import { inputsFor } from "./inputs.js";
import { onnxruntime } from "./onnxruntime.js";
import { tenstep } from "./tenstep.js";
import { weightsOf } from "./weights.js";

/** `{ ours, theirs }`, each `{ dispatches, submits, mappings, wasm_to_js_calls }` of one warm evaluation on WebGPU. */
window.count = async ({ network, spec, peer }) => {
  const counts = { dispatches: 0, submits: 0, mappings: 0, wasm_to_js_calls: 0 };
  countCalls(GPUComputePassEncoder.prototype, ["dispatchWorkgroups", "dispatchWorkgroupsIndirect"], () => (counts.dispatches += 1));
  countCalls(GPUQueue.prototype, ["submit"], () => (counts.submits += 1));
  countCalls(GPUBuffer.prototype, ["mapAsync"], () => (counts.mappings += 1));
  countImports(() => (counts.wasm_to_js_calls += 1));

  const ofOne = async ({ evaluate }) => {
    await evaluate();
    for (const key of Object.keys(counts)) counts[key] = 0;
    await evaluate();
    return { ...counts };
  };
  const weights = await weightsOf(network, spec);
  const inputs = inputsFor(spec, weights.config);
  const ours = await ofOne(await tenstep("webgpu", spec, weights, inputs));
  const theirs = peer && (await ofOne(await onnxruntime("webgpu", peer.threads, network, inputs)));
  return { ours, theirs };
};

function countCalls(object, names, count) {
  for (const name of names) {
    const original = object[name];
    object[name] = function (...args) {
      count();
      return original.apply(this, args);
    };
  }
}

/** Every function that a module instantiated from now on imports. */
function countImports(count) {
  const counted = (imports) => {
    const entries = Object.entries(imports ?? {}).map(([module, members]) => {
      const copies = { ...members };
      countCalls(copies, Object.keys(copies).filter((name) => typeof copies[name] === "function"), count);
      return [module, copies];
    });
    return Object.fromEntries(entries);
  };
  for (const name of ["instantiate", "instantiateStreaming"]) {
    const original = WebAssembly[name];
    WebAssembly[name] = (source, imports) => original.call(WebAssembly, source, counted(imports));
  }
}
