// Our side: a network on one of the two modules.

import { networkIn } from "./module.js";

export function tenstep(backend, spec, weights, inputs) {
  return networkIn(backend === "webgpu" ? "gpu" : "cpu", spec, weights, inputs);
}
