// npm packages at the versions of package-lock.json.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run, say } from "../command.mjs";
import { root } from "../paths.mjs";

export async function setUpNpmPackages() {
  const lock = readFileSync(join(root, "package-lock.json"), "utf8");
  const stamp = join(root, "node_modules", ".tenstep-lock");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === lock) return;
  say("npm packages: typescript, types of node and react (type checks), react (tests of its hook), esbuild (bundles package and page), binaryen (wasm-opt), playwright-core and puppeteer-core (drive the browsers in tests).");
  await run("npm", ["ci", "--no-audit", "--no-fund"], { stdout: process.stderr });
  mkdirSync(join(root, "node_modules"), { recursive: true });
  writeFileSync(stamp, lock);
}
