// Our side of a comparison: the bench's crate as a wasm module for each executor, compiled as the shipped ones are, with the same
// profile, flags and optimiser.

import { join } from "node:path";
import { MODULES, compileModule } from "../../scripts/build-wasm.mjs";
import { target } from "../../scripts/paths.mjs";
import { setUpWasmTarget } from "../../scripts/setup/wasm-target.mjs";

/** Where the module of a backend lies, with its glue. */
export const modules = { cpu: join(target, "bench-peers", "cpu"), gpu: join(target, "bench-peers", "gpu") };

export async function buildModules(names) {
  const wasm = await setUpWasmTarget();
  for (const name of names) {
    const { features: _, ...how } = MODULES[name];
    await compileModule(wasm, {
      cargoArguments: ["--package", "tenstep-bench-peers", "--no-default-features", "--features", name],
      library: "tenstep_bench_peers", ...how, targetDir: join(target, `web-${name}`), out: modules[name], name: "network",
    });
  }
}
