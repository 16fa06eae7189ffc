// The npm package as it is published, in dist/tenstep: one script an entry point, the wasm modules, types.
// The modules that it is made of go to target/lib one by one, for unit tests.

import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./command.mjs";
import { dist, root, wasmOutputs } from "./paths.mjs";

const library = join(root, "www", "lib");
const folder = join(dist, "tenstep");
/** Imported at run time from where they lie: glue beside its wasm, and what entry points share. */
const NOT_BUNDLED = ["./wasm/*", "./survey/survey.js", "../index.js", "../worker.js", "react", "node:*", "webgpu"];

/** What is published; names stay as they are, so that a stack trace speaks. */
const FORM = { format: "esm", target: "es2022", minifyWhitespace: true, minifySyntax: true };
/** The same of what runs out of sight: workers, whose errors arrive without their stack. */
const FORM_INSIDE = { ...FORM, minifyIdentifiers: true };

const platformOfNode = {
  name: "platform-of-node",
  setup: ({ onResolve }) => onResolve({ filter: /^\.\/platform\.js$/ }, () => ({ path: join(library, "node", "platform.ts") })),
};

export async function buildPackage({ fakeEngine = false } = {}) {
  rmSync(join(root, "target", "lib"), { recursive: true, force: true });
  await run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.lib.json"]);
  await bundle(["index.ts", "react/index.ts", "element/index.ts"], { external: NOT_BUNDLED });
  await bundle(["survey/survey.ts", "worker.ts", "node/worker.ts"], { external: NOT_BUNDLED, ...FORM_INSIDE });
  // Node's entry point is the same library on another platform.
  await bundle(["node/index.ts"], { external: ["node:*"], plugins: [platformOfNode] });
  await writeEngines(fakeEngine);
}

async function bundle(entries, options) {
  const { build } = await import("esbuild");
  await build({
    entryPoints: entries.map((entry) => join(library, entry)),
    outbase: library,
    outdir: folder,
    bundle: true,
    ...FORM,
    logLevel: "warning",
    ...options,
  });
}

async function writeEngines(fakeEngine) {
  const { transform } = await import("esbuild");
  mkdirSync(join(folder, "wasm"), { recursive: true });
  for (const name of ["gpu", "cpu"]) {
    const glue = join(folder, "wasm", `tenstep_${name}.js`);
    if (fakeEngine) {
      cpSync(join(root, "tests", "web", "fake", "engine.js"), glue);
      continue;
    }
    const source = readFileSync(join(wasmOutputs[name], `tenstep_${name}.js`), "utf8");
    writeFileSync(glue, (await transform(source, FORM)).code);
    const module = `tenstep_${name}_bg.wasm`;
    cpSync(join(wasmOutputs[name], module), join(folder, "wasm", module));
  }
}
