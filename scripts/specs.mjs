// Specs of a folder, run by Node's test runner.

import { readdirSync } from "node:fs";
import { join } from "node:path";
import { run } from "./command.mjs";
import { root } from "./paths.mjs";

/** Those named, without `.spec.mjs`, or all. */
export async function runSpecs(folder, { names, env, concurrency } = {}) {
  const files = names ? names.map((name) => `${name}.spec.mjs`) : readdirSync(join(root, folder)).filter((file) => file.endsWith(".spec.mjs"));
  const limit = concurrency ? [`--test-concurrency=${concurrency}`] : [];
  await run(process.execPath, ["--test", "--test-reporter=spec", ...limit, ...files.map((file) => join(folder, file))], { env });
}
