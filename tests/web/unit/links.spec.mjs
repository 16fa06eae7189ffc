// Every link from a document to a file of this project leads somewhere, and so does every path it names in the tree.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import test from "node:test";

const root = new URL("../../../", import.meta.url);
const inDocs = (await readdir(new URL("docs/", root), { recursive: true })).filter((path) => path.endsWith(".md"));
const documents = ["README.md", "CHANGELOG.md", ...inDocs.map((path) => `docs/${path}`)];

for (const path of documents) {
  test(`the links of ${path}`, async () => {
    const here = new URL(path, root);
    const text = await readFile(here, "utf8");
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => match[1]);
    assert.deepEqual(links.filter((link) => !existsSync(new URL(link, here))), []);
  });

  test(`the files that ${path} names`, async () => {
    const text = await readFile(new URL(path, root), "utf8");
    const named = [...text.matchAll(/`((?:src|www|tests|training|scripts|docs|benches)\/[\w./-]+)`/g)].map((match) => match[1]);
    assert.deepEqual(named.filter((name) => !existsSync(new URL(name, root))), []);
  });
}

test("the documents are found", () => assert.ok(documents.length > 8, `${documents.length}`));
