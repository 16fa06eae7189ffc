// A peer: the same graph and weights on Burn's wgpu backend.

import { networkIn } from "./module.js";

/** Evaluations until Burn has found its kernels: in a browser it learns what its trials took when the page has had its turn. */
const TUNING_ROUNDS = 3;

/** `{ evaluate(), mode }`; pictures come out channels last, as ours. */
export async function burn({ spec, weights, inputs }) {
  const { evaluate } = await withSubgroups(() => networkIn("burn-wgpu", spec, weights, inputs));
  for (let round = 0; round < TUNING_ROUNDS; round += 1) await evaluate();
  return { evaluate: async () => ({ values: (await evaluate()).values }), mode: "fusion, autotune" };
}

/** Before a shader: its subgroups need not be proved to take one path. */
const UNPROVED = "diagnostic(off, subgroup_uniformity);\n";

/**
 * Lets the device that is asked for meanwhile have subgroups where the adapter has them. Some kernels that Burn tries need them, but wgpu
 * cannot ask a browser for them; without, the first of these kernels ends Burn with an error. So does a sum over a subgroup of which a
 * browser cannot tell that all threads get there, as some of Burn's products have it; natively nobody asks.
 */
async function withSubgroups(work) {
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function ({ requiredFeatures, ...rest }) {
    const subgroups = this.features.has("subgroups") ? ["subgroups"] : [];
    const device = await requestDevice.call(this, { ...rest, requiredFeatures: [...requiredFeatures, ...subgroups] });
    const createShaderModule = device.createShaderModule.bind(device);
    device.createShaderModule = (shader) => createShaderModule({ ...shader, code: UNPROVED + shader.code });
    return device;
  };
  try {
    return await work();
  } finally {
    GPUAdapter.prototype.requestDevice = requestDevice;
  }
}
