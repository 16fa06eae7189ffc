// Every link in a document of this project leads to a file, or to a heading, that is there; so does every path it names in the tree.

import assert from "node:assert/strict";
import { existsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import test from "node:test";
import { root } from "../../../scripts/paths.mjs";
import { anchorsIn, codeBlocks, documents, linksIn, readDocument } from "../harness/markdown.mjs";

/** Whether `link`, in the document at `path` with this text, leads nowhere. Other sites are not asked. */
function isBroken(link, path, text) {
  if (/^[a-z][a-z0-9+.-]*:/i.test(link)) return false;
  const [file, anchor] = link.split("#").map(decodeURIComponent);
  const full = file === "" ? path : join(dirname(path), file);
  if (!existsSync(join(root, full))) return true;
  if (anchor === undefined || statSync(join(root, full)).isDirectory() || !full.endsWith(".md")) return false;
  return !anchorsIn(file === "" ? text : readDocument(full)).has(anchor);
}

for (const path of documents) {
  test(`the links of ${path}`, () => {
    const text = readDocument(path);
    assert.deepEqual(linksIn(text).filter((link) => isBroken(link, path, text)), []);
  });

  test(`the files that ${path} names`, () => {
    const named = [...readDocument(path).matchAll(/`((?:src|www|tests|training|scripts|docs|benches|examples)\/[\w./-]+)`/g)].map((match) => match[1]);
    assert.deepEqual(named.filter((name) => !existsSync(join(root, name))), []);
  });
}

test("docs/README.md leads to every guide and every page of the API", () => {
  const named = linksIn(readDocument("docs/README.md")).map((link) => join("docs", link));
  assert.deepEqual(documents.filter((path) => /^docs\/(guides|api)\//.test(path) && !named.includes(path)), []);
});

test("the documents are found", () => assert.ok(documents.length > 20, `${documents.length}`));

const TEXT = `# One \`two\` & [three](x.md)

A [link](a.md), ![a picture](b.png "title"), <img src="c.png">, \`[none](d.md)\`.

## Same

## Same

<a id="named"></a>

\`\`\`md
# Not a heading
[none](e.md)
\`\`\`

[later]: f.md
`;

test("links and anchors are found outside code", () => {
  assert.deepEqual(linksIn(TEXT), ["x.md", "a.md", "b.png", "f.md", "c.png"]);
  assert.deepEqual([...anchorsIn(TEXT)], ["one-two--three", "same", "same-1", "named"]);
  assert.deepEqual(codeBlocks(TEXT), [{ language: "md", code: "# Not a heading\n[none](e.md)\n", line: 12 }]);
});

test("links that lead nowhere are told from others", () => {
  for (const link of ["missing.md", "#missing", "../README.md#missing", "errors.md#missing"]) {
    assert.equal(isBroken(link, "docs/architecture.md", "# Here\n"), true, link);
  }
  for (const link of ["#here", "../README.md", "methods", "https://example.org/#x", "mailto:a@example.org"]) {
    assert.equal(isBroken(link, "docs/architecture.md", "# Here\n"), false, link);
  }
});
