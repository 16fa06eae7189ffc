// `npm run build`: set-up, wasm, and a static dist/ that any file server can host.

import { pathToFileURL } from "node:url";
import { buildDist } from "./build-dist.mjs";
import { buildWasm } from "./build-wasm.mjs";
import { setUp } from "./setup.mjs";

export async function build() {
  const { wasm } = await setUp();
  await buildWasm(wasm);
  await buildDist();
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await build();
