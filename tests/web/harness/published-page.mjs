// The page as a server publishes it, in a folder of its own: a version that can be told from others, with a light engine.

import { appendFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { dist, root } from "../../../scripts/paths.mjs";
import { buildServiceWorker } from "../../../scripts/service-worker.mjs";
import { fakeModel } from "../fake/model.mjs";

const ENGINE = join(root, "tests", "web", "fake", "engine.js");
const MODEL = fakeModel();

/**
 * Puts a version of the page into `folder` in place of what was there. The version says its `name` in
 * `document.documentElement.dataset.version`. `change` may edit the files before their hashes are taken.
 */
export async function publishPage(folder, name, change = () => undefined) {
  rmSync(folder, { recursive: true, force: true });
  cpSync(dist, folder, { recursive: true, filter: (path) => !relative(dist, path).startsWith("models") });
  for (const backend of ["gpu", "cpu"]) {
    rmSync(join(folder, "tenstep", "wasm", `tenstep_${backend}_bg.wasm`), { force: true });
    cpSync(ENGINE, join(folder, "tenstep", "wasm", `tenstep_${backend}.js`));
  }
  appendFileSync(join(folder, "main.js"), `document.documentElement.dataset.version = ${JSON.stringify(name)};\n`);
  mkdirSync(join(folder, "models", "default"), { recursive: true });
  for (const [file, bytes] of MODEL) writeFileSync(join(folder, "models", "default", file), bytes);
  change(folder);
  await buildServiceWorker(folder);
}
