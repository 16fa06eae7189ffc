// docs/errors.md lists every error code of the engine and of the package, and no other.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";

const read = (path) => readFile(new URL(`../../../${path}`, import.meta.url), "utf8");
const captures = (text, pattern) => [...text.matchAll(pattern)].map((match) => match[1]);

const errors = await read("docs/errors.md");
const documented = captures(errors, /^### `([a-z-]+)`$/gm);
const inRust = captures(await read("src/error.rs"), /^\s*Self::\w+ \{ \.\. \} => "([a-z-]+)",$/gm);
const inPackage = captures(await read("www/lib/errors.ts"), /^ {2}\| "([a-z-]+)"/gm);

/** Codes that only native programs and whoever writes graphs or drives the wasm module by hand can meet. */
const nativeOnly = ["io", "invalid-image"];
const engineOnly = ["unknown-shard", "repeated-shard", "missing-shard"];

test("the patterns find codes", () => {
  for (const codes of [documented, inRust, inPackage]) assert.ok(codes.length > 15, `${codes.length} codes`);
});

test("no code is documented twice", () => {
  assert.deepEqual(documented, [...new Set(documented)]);
});

test("each says what it means and what to do", () => {
  const entries = errors.split(/^### /m).slice(1).map((entry) => entry.split(/^## /m)[0]);
  for (const entry of entries) assert.match(entry, /^`[a-z-]+`\n\n\S[^]*\n- \*\*Do\*\*/);
  assert.equal(entries.length, documented.length);
});

test("what is documented is what the engine and the package throw", () => {
  assert.deepEqual([...documented].sort(), [...new Set([...inRust, ...inPackage])].sort());
});

test("the package's type names every code of the engine that can reach a page", () => {
  const reachable = inRust.filter((code) => ![...nativeOnly, ...engineOnly].includes(code));
  assert.deepEqual(reachable.filter((code) => !inPackage.includes(code)), []);
});

test("the page has advice only for codes that exist", async () => {
  const advised = captures(await read("www/app/troubles.ts"), /^ {2}"([a-z-]+)": /gm);
  assert.ok(advised.length > 10, `${advised.length} codes`);
  assert.deepEqual(advised.filter((code) => !documented.includes(code)), []);
});
