// A module of the bench's crate: one network on one executor.

import { storedForms } from "./weights.js";

/**
 * `{ evaluate(inputs), flops, arithmetic }`; evaluate gives the output's values and the milliseconds in which the page was kept busy. A
 * peer's module has no choice of arithmetic.
 */
export async function networkIn(folder, { component, batch, size, tokens, arithmetic }, weights, inputs) {
  const { default: init, Network } = await import(`/modules/${folder}/network.js`);
  await init({ module_or_path: `/modules/${folder}/network_bg.wasm` });
  const [config, tensors] = [weights.config, weights.tensors].map((part) => JSON.stringify(part));
  const network = await Network.create(component, config, tensors, await storedForms(weights), batch, size, tokens, arithmetic);
  const evaluate = async (given = inputs) => {
    const start = performance.now();
    for (const { name, ours } of given) network.write(name, ours);
    network.submit();
    const busy = performance.now() - start;
    return { values: await network.read(), busy };
  };
  return { evaluate, flops: network.flops(), arithmetic: network.arithmetic?.() };
}
