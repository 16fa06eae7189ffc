// `npm run build`: set-up, wasm, and a static dist/ that any file server can host.

import { buildDist } from "./build-dist.mjs";
import { buildWasm } from "./build-wasm.mjs";
import { isProgram } from "./command.mjs";
import { setUp } from "./setup.mjs";

export async function build() {
  const { wasm } = await setUp();
  await buildWasm(wasm);
  await buildDist();
}

if (isProgram(import.meta.url)) await build();
