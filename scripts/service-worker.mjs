// The page's service worker: one script, with a list of all that the page is made of and the hash of each file.

import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, sep } from "node:path";
import { root } from "./paths.mjs";

const SCRIPT = "service-worker.js";
const BACKENDS = { gpu: "webgpu", cpu: "cpu" };
/** What no page fetches: models, which the engine keeps itself; types; entry points for other uses. */
const NOT_OF_THE_SHELL = [/^models\//, /\.d\.ts$/, /^tenstep\/(node|react|element)\//];

/** Writes `<folder>/service-worker.js` for the site that lies in `folder`, complete but for its models. */
export async function buildServiceWorker(folder) {
  const files = shellFiles(folder);
  const version = sha256(JSON.stringify(files)).slice(0, 16);
  const { build } = await import("esbuild");
  await build({
    entryPoints: [join(root, "www", "app", "sw", "service-worker.ts")],
    outfile: join(folder, SCRIPT),
    bundle: true,
    format: "iife",
    target: "es2022",
    minify: true,
    logLevel: "warning",
    define: { SHELL_FILES: JSON.stringify(files), SHELL_VERSION: JSON.stringify(version) },
  });
}

function shellFiles(folder) {
  return readdirSync(folder, { recursive: true })
    .filter((path) => statSync(join(folder, path)).isFile())
    .map((path) => path.split(sep).join("/"))
    .filter((path) => path !== SCRIPT && !NOT_OF_THE_SHELL.some((pattern) => pattern.test(path)))
    .sort()
    .map((path) => {
      const engine = /^tenstep\/wasm\/tenstep_(gpu|cpu)/.exec(path)?.[1];
      return { path, sha256: sha256(readFileSync(join(folder, path))), ...(engine && { backend: BACKENDS[engine] }) };
    });
}

function sha256(content) {
  return createHash("sha256").update(content).digest("hex");
}
