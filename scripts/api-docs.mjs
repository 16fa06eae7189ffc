// docs/api, made from the types of the package's entry points.
// `npm run docs` writes the pages; `--check` fails where they are stale, or where something public has no doc comment.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readDeclarations } from "./api-docs/declarations.mjs";
import { pageOf } from "./api-docs/page.mjs";
import { asProgram, say } from "./command.mjs";
import { root } from "./paths.mjs";

const FOLDER = "docs/api";
const PROJECT = "tsconfig.lib.json";

/** `{ pages: Map of file to text, undocumented: names }` of every entry point that package.json exports with types. */
export function makeApiPages() {
  const points = typedEntryPoints();
  const read = readDeclarations(PROJECT, points.map(({ source }) => source));
  const pages = new Map();
  for (const [index, { name, file }] of points.entries()) {
    const declarations = read[index];
    // A type is described on the page of the first entry point that exports it.
    const linkTo = (type) => {
      const home = read.findIndex((other) => other.some(({ name }) => name === type));
      if (home < 0) return null;
      const isHere = declarations.some(({ name }) => name === type);
      return `${isHere ? "" : points[home].file}#${type.toLowerCase()}`;
    };
    pages.set(file, pageOf({ title: `The API of \`${name}\``, declarations, linkTo }));
  }
  return { pages, undocumented: read.flat().flatMap(undocumentedIn) };
}

/** Which modules the package shows, from the types in its `exports`: `{ name, source, file }`, the last being its page. */
export function typedEntryPoints() {
  const { name, exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return Object.entries(exports).flatMap(([path, target]) => {
    const types = typeof target === "object" ? target.types : undefined;
    if (!types) return [];
    const full = join(name, path);
    const source = types.replace("./dist/tenstep/", "www/lib/").replace(/\.d\.ts$/, ".ts");
    return [{ name: full, file: `${full.replaceAll("/", "-")}.md`, source }];
  });
}

/** The names in a declaration that have no doc comment. */
export function undocumentedIn({ name, doc, members }) {
  const own = members.filter((member) => member.doc === "").map((member) => `${name}.${member.name}`);
  return doc === "" ? [name, ...own] : own;
}

/** Files of the folder that differ from `pages`, are missing, or belong to none. */
function staleFiles(pages) {
  const present = existsSync(join(root, FOLDER)) ? readdirSync(join(root, FOLDER)) : [];
  const differs = (file) => !present.includes(file) || readFileSync(join(root, FOLDER, file), "utf8") !== pages.get(file);
  return [...[...pages.keys()].filter(differs), ...present.filter((file) => !pages.has(file))];
}

await asProgram(import.meta.url, () => {
  const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
  const { pages, undocumented } = makeApiPages();
  if (undocumented.length > 0) throw new Error(`These are public and have no doc comment: ${undocumented.join(", ")}.`);
  const stale = staleFiles(pages);
  if (stale.length > 0 && values.check) {
    throw new Error(`${FOLDER} is not what the types say, in ${stale.join(", ")}. \`npm run docs\` writes it.`);
  }
  if (stale.length === 0) return say(`${FOLDER}: nothing changed.`);
  mkdirSync(join(root, FOLDER), { recursive: true });
  for (const file of stale) {
    if (pages.has(file)) writeFileSync(join(root, FOLDER, file), pages.get(file));
    else rmSync(join(root, FOLDER, file));
  }
  say(`Written: ${stale.join(", ")}.`);
});
