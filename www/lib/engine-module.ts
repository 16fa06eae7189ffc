// Where the wasm modules are.

import type { EngineModule } from "./engine.js";
import { TenstepError } from "./errors.js";
import type { Backend } from "./options.js";

const NAMES = { webgpu: "gpu", cpu: "cpu" };

/**
 * Fetches the module of the chosen backend only, from the folder `from` where that is given. Where it is compiled already,
 * only its JavaScript is fetched.
 */
export async function importEngine(backend: Backend, from: string | undefined, compiled?: WebAssembly.Module): Promise<EngineModule> {
  try {
    // Bundlers follow these literals.
    const [module, wasm]: [EngineModule, URL] =
      backend === "webgpu"
        ? [await import("./wasm/tenstep_gpu.js"), new URL("./wasm/tenstep_gpu_bg.wasm", import.meta.url)]
        : [await import("./wasm/tenstep_cpu.js"), new URL("./wasm/tenstep_cpu_bg.wasm", import.meta.url)];
    const address = from === undefined ? wasm : new URL(`tenstep_${NAMES[backend]}_bg.wasm`, from);
    await module.default({ module_or_path: compiled ?? address });
    return module;
  } catch (cause) {
    throw new TenstepError("engine-unavailable", `the ${backend} engine could not be loaded: ${String(cause)}`, { cause });
  }
}
