// Our side on two threads, as the package has it: the halves of guidance's batch, each on an engine of its own, one of them in a
// worker. They share no memory.

import { tenstep } from "./tenstep.js";

/** As `tenstep` of a batch of two; what the worker's half reads is sent to it at each evaluation. */
export async function halves(backend, spec, weights, inputs) {
  const half = { ...spec, batch: spec.batch / 2 };
  const [first, second] = [0, 1].map((which) => inputs.map((input) => ({ ...input, ours: part(input.ours, which) })));
  const other = await inWorker({ backend, spec: half, weights, inputs: second });
  const own = await tenstep(backend, half, weights, first);
  const evaluate = async () => {
    const start = performance.now();
    const values = other(second);
    const { values: before } = await own.evaluate();
    const busy = performance.now() - start;
    return { values: joined(before, await values), busy };
  };
  return { evaluate, flops: 2 * own.flops };
}

/** Resolves, once there is an engine in a worker, to what evaluates on it. */
async function inWorker(network) {
  const worker = new Worker(new URL("half.js", import.meta.url), { type: "module" });
  const answer = () => new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  });
  worker.postMessage(network);
  await answer();
  return (inputs) => {
    worker.postMessage(inputs);
    return answer();
  };
}

function part(values, which) {
  const length = values.length / 2;
  return values.slice(which * length, (which + 1) * length);
}

function joined(before, after) {
  const values = new Float32Array(before.length + after.length);
  values.set(before);
  values.set(after, before.length);
  return values;
}
