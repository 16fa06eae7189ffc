// Everything that building needs, each part doing nothing where it is already there.

import { isProgram } from "./command.mjs";
import { setUpNpmPackages } from "./setup/npm-packages.mjs";
import { findRust } from "./setup/rust.mjs";
import { setUpWasmTarget } from "./setup/wasm-target.mjs";

export async function setUp() {
  const rust = findRust();
  await setUpNpmPackages();
  return { rust, wasm: await setUpWasmTarget() };
}

if (isProgram(import.meta.url)) await setUp();
