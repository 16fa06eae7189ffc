// A worker of halves.js: told of a network it makes it and says how many operations that is, then evaluates it for inputs.

import { tenstep } from "./tenstep.js";

let network;
self.onmessage = async ({ data }) => {
  if (network) return self.postMessage((await network.evaluate(data)).values);
  const { backend, spec, weights, inputs } = data;
  network = await tenstep(backend, spec, weights, inputs);
  self.postMessage(network.flops);
};
