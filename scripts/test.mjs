// `npm test`: every check of the project, and a table of where the time went.
// `npm test -- rust` and `npm test -- web` run one half.

import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildDist } from "./build-dist.mjs";
import { buildWasm } from "./build-wasm.mjs";
import { run, say } from "./command.mjs";
import { root, target } from "./paths.mjs";
import { setUpBrowsers } from "./setup/browsers.mjs";
import { setUp } from "./setup.mjs";
import { runSpecs } from "./specs.mjs";
import { Stages } from "./stages.mjs";
import { testEndToEnd } from "./test-e2e.mjs";
import { testPackage } from "./test-package.mjs";

const half = process.argv[2];
if (half !== undefined && half !== "rust" && half !== "web") {
  console.error('The argument is "rust" or "web", or nothing for everything.');
  process.exit(2);
}

const stages = new Stages();
const ready = await stages.run("set-up", async () => ({ ...(await setUp()), browsers: await setUpBrowsers() }));
if (ready) {
  if (half !== "web") await checkRust(ready);
  if (half !== "rust") await checkWeb(ready);
}
process.exitCode = stages.report() ? 0 : 1;

async function checkRust({ rust, wasm, browsers }) {
  const cargo = (args, env = {}) => run("cargo", args, { env: { ...rust.env, ...env } });
  const clippy = (args, env) => cargo(["clippy", "--locked", ...args, "--", "-D", "warnings"], env);
  await stages.run("rust: format", () => cargo(["fmt", "--check"]));
  await stages.run("rust: tests", () => cargo(["test", "--locked"], softwareGpu(browsers)));
  // The tests have built the command.
  const tenstep = join(target, "debug", "tenstep");
  await stages.run("rust: methods in docs", () => run(process.execPath, ["scripts/methods-docs.mjs", "--check", "--tenstep", tenstep]));
  await stages.run("rust: clippy", () => clippy(["--all-targets"]));
  for (const features of ["web,gpu", "web,cpu"]) {
    await stages.run(`rust: clippy for wasm, ${features}`, () => {
      if (wasm.args.length > 0) return say("Left out: clippy needs rustup's wasm target, and this machine builds its own.");
      const env = { ...wasm.env, CARGO_TARGET_DIR: join(target, "web-clippy") };
      return clippy(["--lib", "--target", "wasm32-unknown-unknown", "--no-default-features", "--features", features], env);
    });
  }
}

async function checkWeb({ rust, wasm }) {
  const node = (args) => run(process.execPath, args);
  await stages.run("web: wasm", () => buildWasm(wasm));
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

/** Native shaders run on Mesa's lavapipe, the same on every machine. */
function softwareGpu({ lavapipe }) {
  return existsSync(lavapipe) ? { VK_DRIVER_FILES: lavapipe, XDG_RUNTIME_DIR: process.env.XDG_RUNTIME_DIR ?? tmpdir() } : {};
}
