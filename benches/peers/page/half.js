// The worker of halves.js: told of a network it makes it, then evaluates it for inputs.

import { tenstep } from "./tenstep.js";

let network;
self.onmessage = async ({ data }) => {
  if (network) return self.postMessage((await network.evaluate(data)).values);
  const { backend, spec, weights, inputs } = data;
  network = await tenstep(backend, spec, weights, inputs);
  self.postMessage("ready");
};
