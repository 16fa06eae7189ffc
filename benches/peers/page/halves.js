// Our side on two threads, as the package has it: the halves of guidance's batch, each on an engine of its own in a worker of its own.
// They share no memory.

/** As `tenstep` of a batch of two; what the halves read is sent to them at each evaluation. */
export async function halves(backend, spec, weights, inputs) {
  const half = { ...spec, batch: spec.batch / 2 };
  const parts = [0, 1].map((which) => inputs.map((input) => ({ ...input, ours: part(input.ours, which) })));
  const workers = await Promise.all(parts.map((inputs) => inWorker({ backend, spec: half, weights, inputs })));
  const evaluate = async () => {
    const start = performance.now();
    const values = workers.map(({ evaluate }, which) => evaluate(parts[which]));
    const busy = performance.now() - start;
    return { values: joined(...(await Promise.all(values))), busy };
  };
  return { evaluate, flops: 2 * workers[0].flops, arithmetic: "f32" };
}

/** A network in a worker: `{ evaluate(inputs), flops }`, of which the first gives the output's values. */
async function inWorker(network) {
  const worker = new Worker(new URL("half.js", import.meta.url), { type: "module" });
  const answer = () => new Promise((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  });
  worker.postMessage(network);
  const flops = await answer();
  const evaluate = (inputs) => {
    worker.postMessage(inputs);
    return answer();
  };
  return { evaluate, flops };
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
