// Modules of the pages, compiled and brought into Node.

import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** The module `www/app/<name>.ts`, which must not touch a page. */
export async function loadAppModule(name) {
  const entry = fileURLToPath(new URL(`../../../www/app/${name}.ts`, import.meta.url));
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: "esm", write: false });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}
