// The two wasm modules: compiled, given their JavaScript glue, optimised. Skipped while their inputs are unchanged.
// `node scripts/build-wasm.mjs [gpu|cpu]`

import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, relative } from "node:path";
import { brotliCompressSync } from "node:zlib";
import { asProgram, run, say } from "./command.mjs";
import { root, target, wasmOutputs } from "./paths.mjs";
import { findRust } from "./setup/rust.mjs";
import { setUp } from "./setup.mjs";

const TRIPLE = "wasm32-unknown-unknown";
export const MODULES = {
  // The shaders do the work: the module only has to be small. Its lowest addresses are the end of its stack, so no data lies there.
  gpu: { features: "web,gpu", rustflags: [], optLevel: "z", optimise: ["-Oz", "--converge", "--low-memory-unused"] },
  cpu: { features: "web,cpu", rustflags: ["-Ctarget-feature=+simd128"], optLevel: "3", optimise: ["-O3", "--enable-simd"] },
};
const INPUTS = ["Cargo.toml", "Cargo.lock", "src", "tools/wasm-bindgen", "scripts/build-wasm.mjs"];

/** Builds what is out of date. `wasm` says how to compile here (setup/wasm-target.mjs). */
export async function buildWasm(wasm, names = Object.keys(MODULES)) {
  for (const name of names) await buildModule(name, wasm);
}

async function buildModule(name, wasm) {
  const out = wasmOutputs[name];
  const stamp = join(out, "inputs.sha256");
  const hash = inputsHash(wasm);
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === hash) {
    say(`wasm ${name}: unchanged.`);
    return;
  }
  const { features, ...how } = MODULES[name];
  say(`wasm ${name}: compiling (minutes the first time).`);
  const file = await compileModule(wasm, {
    cargoArguments: ["--no-default-features", "--features", features],
    library: "tenstep", ...how, targetDir: join(target, `web-${name}`), out, name: `tenstep_${name}`,
  });
  writeFileSync(stamp, hash);
  const bytes = readFileSync(file);
  say(`wasm ${name}: ${kilobytes(bytes.length)}, ${kilobytes(brotliCompressSync(bytes).length)} under brotli.`);
}

/**
 * Compiles a library of the workspace to wasm in `targetDir`, with its glue in `out` under `name`, and optimises it: as a whole with
 * `lto: "fat"`, else crate by crate. Gives the path of the finished module.
 */
export async function compileModule(wasm, { cargoArguments, library, rustflags, optLevel, lto = "fat", optimise, targetDir, out, name }) {
  await run(
    wasm.cargo,
    ["build", "--locked", "--lib", "--profile", "wasm", "--target", TRIPLE, ...cargoArguments, ...wasm.args],
    {
      env: {
        ...wasm.env,
        CARGO_ENCODED_RUSTFLAGS: [...rustflags, ...pathless()].join("\x1f"),
        CARGO_PROFILE_WASM_OPT_LEVEL: optLevel,
        CARGO_PROFILE_WASM_LTO: lto,
        CARGO_TARGET_DIR: targetDir,
      },
    },
  );
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  const compiled = join(targetDir, TRIPLE, "wasm", `${library}.wasm`);
  await run(
    "cargo",
    ["run", "--locked", "--quiet", "--package", "tenstep-wasm-bindgen", "--", compiled, out, name],
    { env: { ...findRust().env, CARGO_TARGET_DIR: join(target, "web-tools") } },
  );
  await inlineScripts(out, `${name}.js`);
  const file = join(out, `${name}_bg.wasm`);
  await run(process.execPath, [
    join(root, "node_modules", "binaryen", "bin", "wasm-opt"),
    ...optimise, "--enable-bulk-memory", "--enable-nontrapping-float-to-int", "--enable-sign-ext", "--enable-mutable-globals",
    "--enable-reference-types", "--enable-multivalue", "--strip-debug", "--strip-producers", "--strip-target-features", file, "-o", file,
  ]);
  return file;
}

/** Panics name the file that they come from: not by where it lies on the machine that compiles. */
function pathless() {
  const sources = join(process.env.CARGO_HOME ?? join(homedir(), ".cargo"), "registry", "src");
  return [`--remap-path-prefix=${sources}=crates`, `--remap-path-prefix=${root}=tenstep`];
}

/** Puts the scripts that the crate brings along (src/gpu/replay.js) into the glue, which so stays one file. */
async function inlineScripts(out, glue) {
  const snippets = join(out, "snippets");
  if (!existsSync(snippets)) return;
  const { build } = await import("esbuild");
  await build({
    entryPoints: [join(out, glue)],
    outfile: join(out, glue),
    allowOverwrite: true,
    bundle: true,
    format: "esm",
    target: "es2022",
    logLevel: "warning",
    // wasm-bindgen names a script once for each function that it takes from there.
    logOverride: { "duplicate-object-key": "silent" },
  });
  rmSync(snippets, { recursive: true });
}

function inputsHash(wasm) {
  const hash = createHash("sha256").update(wasm.version).update(wasm.args.join(" "));
  for (const path of INPUTS.flatMap((input) => filesUnder(join(root, input)))) {
    hash.update(relative(root, path)).update("\0").update(readFileSync(path)).update("\0");
  }
  return hash.digest("hex");
}

function filesUnder(path) {
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => filesUnder(join(path, entry.name)));
}

function kilobytes(bytes) {
  return `${Math.round(bytes / 1000)} kB`;
}

await asProgram(import.meta.url, async () => {
  const { wasm } = await setUp();
  const names = process.argv.slice(2);
  await buildWasm(wasm, names.length > 0 ? names : undefined);
});
