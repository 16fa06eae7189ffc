// `npm run test:package`: the published package as its users meet it. `npm run test:package -- vite,next` tries these
// bundlers only. `npm run build` comes first.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { asProgram, run } from "./command.mjs";
import { root } from "./paths.mjs";

const FOLDER = "tests/package";

export async function testPackage(bundlers) {
  const specs = bundlers ? ["bundlers.spec.mjs"] : readdirSync(join(root, FOLDER)).filter((file) => file.endsWith(".spec.mjs"));
  const env = bundlers ? { TENSTEP_BUNDLERS: bundlers } : {};
  // One at a time: builds and browsers take all the cores there are.
  const args = ["--test", "--test-reporter=spec", "--test-concurrency=1", ...specs.map((file) => `${FOLDER}/${file}`)];
  await run(process.execPath, args, { env });
}

await asProgram(import.meta.url, () => testPackage(process.argv[2]));
