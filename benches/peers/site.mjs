// What the page of a comparison fetches, served cross-origin isolated: only there may a peer have threads.

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { basename, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { root } from "../../scripts/paths.mjs";
import { modules } from "./modules.mjs";

export const here = fileURLToPath(new URL(".", import.meta.url));
export const exported = join(here, "exported");
/** What makes the files in it. */
export const EXPORT = (network) => `python -m benches.peers.export ${network}`;
const FOLDERS = {
  "/page/": join(here, "page"),
  "/bench/": here,
  "/exported/": exported,
  "/tests/goldens/models/sd15_full_width/": join(root, "tests", "goldens", "models", "sd15_full_width"),
  "/models/default/": join(root, "www", "models", "default"),
  "/modules/cpu/": modules.cpu,
  "/modules/gpu/": modules.gpu,
  "/modules/burn-wgpu/": modules["burn-wgpu"],
  "/onnxruntime/": join(here, "node_modules", "onnxruntime-web", "dist"),
};
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".json": "application/json", ".wasm": "application/wasm" };
const ISOLATION = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

/** `{ url, close() }` */
export async function openBenchSite() {
  const server = createServer(async (request, response) => {
    const [, folder, file] = /^(.*\/)([^/]+)$/.exec(request.url) ?? [];
    const path = FOLDERS[folder] && join(FOLDERS[folder], basename(file));
    const facts = path && (await stat(path).catch(() => null));
    if (!facts) return response.writeHead(404).end();
    response.writeHead(200, { ...ISOLATION, "content-type": TYPES[extname(path)] ?? "application/octet-stream", "content-length": facts.size });
    createReadStream(path).pipe(response);
  });
  await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
  return {
    url: `http://localhost:${server.address().port}/`,
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}
