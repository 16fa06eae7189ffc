// The static site: pages, package, model. `--fake-engine` puts the tests' fake engine in place of the wasm modules.

import { cpSync, existsSync, readdirSync, rmSync } from "node:fs";
import { extname, join } from "node:path";
import { buildPackage } from "./build-package.mjs";
import { asProgram, say } from "./command.mjs";
import { dist, root } from "./paths.mjs";
import { buildServiceWorker } from "./service-worker.mjs";

export async function buildDist({ fakeEngine = false } = {}) {
  rmSync(dist, { recursive: true, force: true });
  await buildPackage({ fakeEngine });
  await bundlePages();
  const models = join(root, "www", "models");
  if (existsSync(models)) cpSync(models, join(dist, "models"), { recursive: true });
  await buildServiceWorker(dist);
  say(`Built ${dist}`);
}

/**
 * Each page's TypeScript goes through esbuild into one file, so that neither waits for a second; everything else is copied
 * as it lies, side by side. The package stays beside it, as it is published.
 */
async function bundlePages() {
  const app = join(root, "www", "app");
  if (!existsSync(app)) return;
  const { build } = await import("esbuild");
  await build({
    entryPoints: [join(app, "main.ts"), join(app, "lab", "lab.ts")],
    outdir: dist,
    entryNames: "[name]",
    bundle: true,
    format: "esm",
    target: "es2022",
    minify: true,
    logLevel: "warning",
    plugins: [
      {
        name: "package-beside-page",
        setup: ({ onResolve }) => onResolve({ filter: /^tenstep$/ }, () => ({ path: "./tenstep/index.js", external: true })),
      },
    ],
  });
  for (const folder of [app, join(app, "lab")]) {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (entry.isFile() && extname(entry.name) !== ".ts") cpSync(join(folder, entry.name), join(dist, entry.name));
    }
  }
}

await asProgram(import.meta.url, () => buildDist({ fakeEngine: process.argv.includes("--fake-engine") }));
