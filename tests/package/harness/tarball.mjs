// The package as npm would publish it.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dist, root } from "../../../scripts/paths.mjs";

/** Packs what is built into a temporary folder: `{ path, files, remove() }`, with npm's own list of paths. */
export function packTarball() {
  if (!existsSync(join(dist, "tenstep", "wasm", "tenstep_cpu_bg.wasm"))) {
    throw new Error('dist/ holds no package with its engines; "npm run build" makes it');
  }
  const folder = mkdtempSync(join(tmpdir(), "tenstep-tarball-"));
  const { status, stdout, stderr } = spawnSync("npm", ["pack", "--json", "--pack-destination", folder], { cwd: root, encoding: "utf8" });
  if (status !== 0) throw new Error(`npm pack failed: ${stderr}`);
  const [{ filename, files }] = JSON.parse(stdout);
  return { path: join(folder, filename), files: files.map(({ path }) => path), remove: () => rmSync(folder, { recursive: true }) };
}
