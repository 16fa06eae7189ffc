// `npm run test:package`: the published package as its users meet it. `npm run test:package -- vite,next` tries these
// bundlers only. `npm run build` comes first.

import { asProgram } from "./command.mjs";
import { runSpecs } from "./specs.mjs";

export async function testPackage(bundlers) {
  const names = bundlers && ["bundlers"];
  const env = bundlers ? { TENSTEP_BUNDLERS: bundlers } : {};
  // One at a time: builds and browsers take all the cores there are.
  await runSpecs("tests/package", { names, env, concurrency: 1 });
}

await asProgram(import.meta.url, () => testPackage(process.argv[2]));
