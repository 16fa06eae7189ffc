// `npm test`: every check of the project, and a table of where the time went.
// `npm test -- rust`, `-- wasm` and `-- web` run a part of them.

import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildDist } from "./build-dist.mjs";
import { buildWasm } from "./build-wasm.mjs";
import { run, runHeld, say } from "./command.mjs";
import { root, target } from "./paths.mjs";
import { setUpBrowsers } from "./setup/browsers.mjs";
import { setUp } from "./setup.mjs";
import { runSpecs } from "./specs.mjs";
import { Stages } from "./stages.mjs";
import { testEndToEnd } from "./test-e2e.mjs";
import { testPackage } from "./test-package.mjs";

const PARTS = { rust: checkRust, wasm: checkWasm, web: checkWeb };
const part = process.argv[2];
if (part !== undefined && !Object.hasOwn(PARTS, part)) {
  console.error('The argument is "rust", "wasm" or "web", or nothing for everything.');
  process.exit(2);
}

const stages = new Stages();
const ready = await stages.run("set-up", async () => ({ ...(await setUp()), browsers: await setUpBrowsers() }));
if (ready) await (part ? PARTS[part](ready) : checkAll(ready));
process.exitCode = stages.report() ? 0 : 1;

async function checkAll(ready) {
  // Linking wasm takes minutes of one core, and so do some of the native tests. What browsers are timed at comes when they are done.
  const wasm = stages.begin("wasm, beside rust", () => runHeld(process.execPath, ["scripts/test.mjs", "wasm"]));
  await checkRust(ready);
  await wasm();
  await checkWeb(ready);
}

async function checkRust({ rust, browsers }) {
  const cargo = (args, env) => run("cargo", args, { env: { ...rust.env, ...env } });
  await stages.run("rust: format", () => cargo(["fmt", "--check"]));
  await stages.run("rust: tests", () => cargo(["test", "--locked"], softwareGpu(browsers)));
  // The tests have built the command.
  const tenstep = join(target, "debug", "tenstep");
  await stages.run("rust: methods in docs", () => run(process.execPath, ["scripts/methods-docs.mjs", "--check", "--tenstep", tenstep]));
  await stages.run("rust: clippy", () => clippy(["--all-targets"], rust.env));
}

async function checkWasm({ wasm }) {
  await stages.run("wasm: modules", () => buildWasm(wasm));
  for (const features of ["web,gpu", "web,cpu"]) {
    await stages.run(`wasm: clippy, ${features}`, () => {
      if (wasm.args.length > 0) return say("Left out: clippy needs rustup's wasm target, and this machine builds its own.");
      const env = { ...wasm.env, CARGO_TARGET_DIR: join(target, "web-clippy") };
      return clippy(["--lib", "--target", "wasm32-unknown-unknown", "--no-default-features", "--features", features], env);
    });
  }
}

async function checkWeb({ rust, wasm }) {
  const node = (args) => run(process.execPath, args);
  await stages.run("web: wasm modules", () => buildWasm(wasm));
  await stages.run("web: names in the glue", () => {
    const env = { ...rust.env, CARGO_TARGET_DIR: join(target, "web-tools") };
    return run("cargo", ["test", "--locked", "--package", "tenstep-wasm-bindgen"], { env });
  });
  await stages.run("web: dist", () => buildDist());
  const tsc = (project) => node([join(root, "node_modules", "typescript", "bin", "tsc"), "-p", project]);
  await stages.run("web: types of the page", () => tsc("tsconfig.app.json"));
  await stages.run("web: types of the service worker", () => tsc("tsconfig.sw.json"));
  await stages.run("web: types of the package in Node", () => tsc("tsconfig.node.json"));
  await stages.run("web: API in docs", () => node(["scripts/api-docs.mjs", "--check"]));
  await stages.run("web: unit tests", () => runSpecs("tests/web/unit"));
  await stages.run("web: browser tests", () => testEndToEnd());
  await stages.run("web: package", () => testPackage());
}

function clippy(args, env) {
  return run("cargo", ["clippy", "--locked", ...args, "--", "-D", "warnings"], { env });
}

/** Native shaders run on Mesa's lavapipe, the same on every machine. */
function softwareGpu({ lavapipe }) {
  return existsSync(lavapipe) ? { VK_DRIVER_FILES: lavapipe, XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? tmpdir() } : {};
}
