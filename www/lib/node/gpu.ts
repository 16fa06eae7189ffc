// WebGPU in Node is the npm package "webgpu" (Dawn), where the program has installed it.

/** What stands for `navigator.gpu`. Where there is no such package it refuses adapters and says why. */
export async function findGpu(): Promise<Pick<GPU, "requestAdapter">> {
  try {
    const dawn = await import("webgpu");
    Object.assign(globalThis, dawn.globals);
    return dawn.create([]);
  } catch (error) {
    const isMissing = (error as { code?: unknown }).code === "ERR_MODULE_NOT_FOUND";
    const reason = isMissing ? 'the npm package "webgpu" is not installed' : `the npm package "webgpu" does not load here: ${String(error)}`;
    return { requestAdapter: () => Promise.reject(new Error(reason)) };
  }
}
