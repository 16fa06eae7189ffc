// The samples in the documents compile against the package's types, as a reader's strict compiler would have it.
//
// Blocks of `ts` and `tsx` are held to `strict`; of `js`, `jsx` and scripts in `html` to the same without null checks, which
// samples of plain JavaScript do not make. What a sample uses and does not declare is in `samples.d.ts` beside this file.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { typedEntryPoints } from "../../../scripts/api-docs.mjs";
import { root } from "../../../scripts/paths.mjs";
import { codeBlocks, documents, readDocument } from "../harness/markdown.mjs";

const points = typedEntryPoints();
const LANGUAGES = { ts: "ts", tsx: "tsx", js: "js", jsx: "jsx", mjs: "js", typescript: "ts", javascript: "js" };
/** Documents that list types, which are no samples. */
const isReference = (path) => path.startsWith("docs/api/");

/** `{ path, line, kind, code }` of every sample in a document. */
function samplesIn(path, text) {
  return codeBlocks(text).flatMap(({ language, code, line }) => {
    if (language in LANGUAGES) return [{ path, line, kind: LANGUAGES[language], code }];
    if (language !== "html") return [];
    return [...code.matchAll(/<script type="module">([^]*?)<\/script>/g)].map(({ 1: script, index }) => ({
      path,
      line: line + code.slice(0, index).split("\n").length - 1,
      kind: "js",
      // A page names the module by its address.
      code: script.replace(/(from\s+)"[^"]*\/tenstep\/index\.js"/g, '$1"tenstep"'),
    }));
  });
}

/** What the compiler has against samples, a line each: where in which document, and why. */
function complaints(samples) {
  const folder = mkdtempSync(join(tmpdir(), "tenstep-samples-"));
  try {
    return ["ts", "js"].flatMap((language) => compiled(join(folder, language), samples.filter(({ kind }) => kind.startsWith(language))));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function compiled(folder, samples) {
  if (samples.length === 0) return [];
  mkdirSync(folder);
  const places = new Map();
  for (const [index, { path, line, kind, code }] of samples.entries()) {
    const file = `sample${index}.${kind}`;
    places.set(file, path);
    // Lines are counted as in the document.
    writeFileSync(join(folder, file), `${"\n".repeat(line - 1)}${code}\nexport {};\n`);
  }
  const compilerOptions = {
    target: "es2022", module: "esnext", moduleResolution: "bundler", lib: ["es2022", "dom", "dom.iterable", "dom.asynciterable"],
    strict: true, strictNullChecks: samples[0].kind.startsWith("ts"), noImplicitAny: samples[0].kind.startsWith("ts"),
    allowJs: true, checkJs: true, jsx: "preserve", noEmit: true, skipLibCheck: true, types: [],
    paths: Object.fromEntries(points.map(({ name, source }) => [name, [join(root, source)]])),
  };
  // Modules of other packages, and files beside the reader's own, are taken as they are.
  writeFileSync(join(folder, "others.d.ts"), 'declare module "*";\n');
  const files = [...places.keys(), "others.d.ts", join(root, "tests/web/unit/samples.d.ts")];
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files }));
  const tsc = [join(root, "node_modules/typescript/bin/tsc"), "-p", folder, "--pretty", "false"];
  const { stdout, status } = spawnSync(process.execPath, tsc, { cwd: folder, encoding: "utf8" });
  const lines = stdout.split("\n").filter((line) => line !== "");
  if (status !== 0 && lines.length === 0) return ["the compiler failed and said nothing"];
  return lines.map((line) => line.replace(/^(sample\d+\.\w+)\((\d+),\d+\)/, (_, file, number) => `${places.get(file)}:${number}`));
}

const samples = documents.filter((path) => !isReference(path)).flatMap((path) => samplesIn(path, readDocument(path)));

test("the samples of all documents compile", () => assert.deepEqual(complaints(samples), []));

test("samples are found", () => {
  assert.ok(samples.length > 1 && samples.some(({ path }) => path === "README.md"), `${samples.length} samples`);
});

test("what they import of the package is there", () => {
  const imported = samples.flatMap(({ path, code }) => [...code.matchAll(/from "(tenstep(?:\/[^"]*)?)"/g)].map((match) => `${match[1]} in ${path}`));
  const exported = Object.keys(JSON.parse(readFileSync(join(root, "package.json"), "utf8")).exports).map((path) => join("tenstep", path));
  assert.deepEqual(imported.filter((name) => !exported.includes(name.split(" ")[0])), []);
});

test("modules of others and JSX are let through", () => {
  const text = '```tsx\nimport { useState } from "react";\nimport App from "./app.tsx";\nconst [a] = useState(0);\nexport const b = <App a={a} />;\n```\n';
  assert.deepEqual(complaints(samplesIn("x.md", text)), []);
});

test("a mistake in a sample is seen, at its place", () => {
  const text = [
    "# Title", "", "```ts", 'import { Tenstep } from "tenstep";', "const { image } = await tenstep.generate({ promt: 3 });",
    'document.querySelector("canvas").width = image.width;', "```", "", "```js", "await tenstep.generte();", "```", "",
    "```html", '<script type="module">', '  import { Tenstp } from "./tenstep/index.js";', "</script>", "```", "",
  ].join("\n");
  const found = complaints(samplesIn("x.md", text));
  const places = found.map((line) => line.split(": ")[0]);
  assert.deepEqual(places, ["x.md:5", "x.md:6", "x.md:10", "x.md:15"], found.join("\n"));
});
