// The bench's crate as wasm modules: our side for each executor, compiled as the shipped modules are, with the same profile, flags
// and optimiser; and the same graph on Burn's wgpu backend.

import { join } from "node:path";
import { MODULES, compileModule } from "../../scripts/build-wasm.mjs";
import { target } from "../../scripts/paths.mjs";
import { setUpWasmTarget } from "../../scripts/setup/wasm-target.mjs";

/**
 * By feature of the crate. Burn is compiled for speed, but crate by crate: as a whole its forty megabytes would take far longer, and the
 * shaders do the work.
 */
const HOW = { cpu: MODULES.cpu, gpu: MODULES.gpu, "burn-wgpu": { rustflags: [], optLevel: "3", lto: "off", optimise: [] } };
/** Where each module lies, with its glue. */
export const modules = Object.fromEntries(Object.keys(HOW).map((name) => [name, join(target, "bench-peers", name)]));

export async function buildModules(names) {
  const wasm = await setUpWasmTarget();
  for (const name of names) {
    const { features: _, ...how } = HOW[name];
    await compileModule(wasm, {
      cargoArguments: ["--package", "tenstep-bench-peers", "--no-default-features", "--features", name],
      library: "tenstep_bench_peers", ...how, targetDir: join(target, `web-${name}`), out: modules[name], name: "network",
    });
  }
}
