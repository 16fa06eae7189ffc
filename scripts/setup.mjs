// Everything that building needs, each part doing nothing where it is already there.

import { asProgram } from "./command.mjs";
import { setUpNpmPackages } from "./setup/npm-packages.mjs";
import { findRust } from "./setup/rust.mjs";
import { setUpWasmTarget } from "./setup/wasm-target.mjs";

export async function setUp() {
  const rust = findRust();
  await setUpNpmPackages();
  return { rust, wasm: await setUpWasmTarget() };
}

await asProgram(import.meta.url, setUp);
