// `npm run build`: set-up, wasm, and a static dist/ that any file server can host.

import { buildDist } from "./build-dist.mjs";
import { buildWasm } from "./build-wasm.mjs";
import { asProgram } from "./command.mjs";
import { setUp } from "./setup.mjs";

export async function build() {
  const { wasm } = await setUp();
  await buildWasm(wasm);
  await buildDist();
}

await asProgram(import.meta.url, build);
