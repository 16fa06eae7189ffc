// Runs inside the browser: what one evaluation asks of the device and of JavaScript. Counting takes time, so nothing is timed while it is
// done.

import { inputsFor } from "./inputs.js";
import { tenstep } from "./tenstep.js";
import { weightsOf } from "./weights.js";

const DEVICE_CALLS = {
  dispatches: [GPUComputePassEncoder.prototype, ["dispatchWorkgroups", "dispatchWorkgroupsIndirect"]],
  submits: [GPUQueue.prototype, ["submit"]],
};

/** `{ dispatches, submits }` of one evaluation. */
export async function countDeviceCalls(evaluate) {
  const counts = Object.fromEntries(Object.keys(DEVICE_CALLS).map((what) => [what, 0]));
  const undo = Object.entries(DEVICE_CALLS).map(([what, [object, names]]) => countCalls(object, names, () => (counts[what] += 1)));
  await evaluate();
  for (const restore of undo) restore();
  return counts;
}

/** Calls from our WebGPU module to JavaScript in one warm evaluation. */
window.countCallsFromWasm = async ({ network, spec }) => {
  let calls = 0;
  countImports(() => (calls += 1));
  const weights = await weightsOf(network, spec);
  const { evaluate } = await tenstep("webgpu", spec, weights, inputsFor(spec, weights.config));
  await evaluate();
  calls = 0;
  await evaluate();
  return calls;
};

/** Gives what takes the counting out again. */
function countCalls(object, names, count) {
  const originals = names.map((name) => [name, object[name]]);
  for (const [name, original] of originals) {
    object[name] = function (...args) {
      count();
      return original.apply(this, args);
    };
  }
  return () => Object.assign(object, Object.fromEntries(originals));
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
