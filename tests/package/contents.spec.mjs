// What `npm pack` puts into the tarball, and how large it is.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join, posix } from "node:path";
import { after, before, describe, it } from "node:test";
import { brotliCompressSync } from "node:zlib";
import { root } from "../../scripts/paths.mjs";
import { packTarball } from "./harness/tarball.mjs";

const PAPERS = ["LICENSE-APACHE", "LICENSE-MIT", "NOTICE", "README.md", "package.json"];
const SCRIPTS = ["index.js", "survey/survey.js", "worker.js", "react/index.js", "element/index.js", "node/index.js", "node/worker.js"];
const ENGINES = ["gpu", "cpu"].flatMap((name) => [`wasm/tenstep_${name}.js`, `wasm/tenstep_${name}_bg.wasm`]);
const CODE = [...SCRIPTS, ...ENGINES].map((path) => `dist/tenstep/${path}`);
/** Both engines, unpacked: a page fetches one. */
const LIMIT_BYTES = 2_600_000;

describe("the tarball", { timeout: 60_000 }, () => {
  let tarball, manifest;
  const read = (path) => readFileSync(join(root, path));
  const text = (path) => read(path).toString();

  before(() => {
    tarball = packTarball();
    manifest = JSON.parse(text("package.json"));
  });
  after(() => tarball?.remove());

  it("holds the entry points, both engines, types, licences, and nothing else", () => {
    const isType = (path) => path.startsWith("dist/tenstep/") && path.endsWith(".d.ts");
    assert.deepEqual(tarball.files.filter((path) => !isType(path)).sort(), [...PAPERS, ...CODE].sort());
    assert.ok(tarball.files.some(isType));
  });

  it("has every file that its exports name", () => {
    const targets = (value) => (typeof value === "string" ? [value] : Object.values(value).flatMap(targets));
    const named = [manifest.main, manifest.types, ...manifest.sideEffects, ...targets(manifest.exports)].map((path) => posix.normalize(path));
    assert.deepEqual(named.filter((path) => !path.includes("*") && !tarball.files.includes(path)), []);
  });

  it("has every file that its scripts and types name", () => {
    const missing = tarball.files
      .filter((path) => /\.(js|ts)$/.test(path) && !path.includes("/wasm/"))
      .flatMap((path) => [...text(path).matchAll(/["'](\.\.?\/[^"']+\.(?:js|wasm))["']/g)].map(([, target]) => [path, target]))
      .filter(([path, target]) => {
        const file = posix.join(dirname(path), target);
        return !tarball.files.includes(path.endsWith(".d.ts") ? file.replace(/\.js$/, ".d.ts") : file);
      });
    assert.deepEqual(missing, []);
  });

  it("has types that need nothing which TypeScript's own libraries got only lately", () => {
    const seen = new Set();
    const waiting = Object.values(manifest.exports).flatMap(({ types }) => (types ? [posix.normalize(types)] : []));
    for (let path; (path = waiting.pop()); ) {
      if (seen.has(path)) continue;
      seen.add(path);
      waiting.push(...[...text(path).matchAll(/["'](\.\.?\/[^"']+)\.js["']/g)].map(([, target]) => `${posix.join(dirname(path), target)}.d.ts`));
    }
    const code = (path) => text(path).replace(/\/\*[^]*?\*\/|\/\/.*/g, "");
    assert.ok(seen.size > 5);
    // WebGPU: since TypeScript 6.
    assert.deepEqual([...seen].filter((path) => /\bGPU\w*/.test(code(path))), []);
  });

  it("asks for a Node and browsers that have what its scripts use", () => {
    assert.ok(SCRIPTS.some((path) => text(`dist/tenstep/${path}`).includes("AbortSignal.any(")), "or older ones would do");
    assert.equal(manifest.engines.node, ">=20.3");
    assert.match(text("docs/guides/node.md"), /Node 20\.3 and later/);
    assert.match(text("README.md"), /\(https:\/\/nodejs\.org\) 20\.3/);
    assert.match(text("README.md"), /Chrome and Edge 116, Firefox 124 and Safari 17\.4/);
  });

  it("names no source map", () => {
    assert.deepEqual(CODE.filter((path) => /sourceMappingURL/.test(text(path))), []);
  });

  it("names no folder of the machine that made it", () => {
    const homes = [homedir(), process.env.CARGO_HOME, root].filter(Boolean);
    const named = CODE.flatMap((path) => homes.filter((home) => read(path).includes(home)).map((home) => [path, home]));
    assert.deepEqual(named, []);
  });

  it("needs nothing of npm but what its user chooses", () => {
    assert.equal(manifest.dependencies, undefined);
    assert.deepEqual(Object.keys(manifest.peerDependencies).filter((name) => !manifest.peerDependenciesMeta[name]?.optional), []);
  });

  it("is small", () => {
    const rows = tarball.files.map((path) => [path, read(path).length, brotliCompressSync(read(path)).length]);
    const types = rows.filter(([path]) => path.endsWith(".d.ts"));
    const sum = (name, of) => [name, ...[1, 2].map((column) => of.reduce((total, row) => total + row[column], 0))];
    const total = sum("total", rows);
    const table = [...rows.filter((row) => !types.includes(row)), sum(`${types.length} files of types`, types), total];
    console.log(`${"file".padEnd(44)}${"bytes".padStart(10)}${"brotli".padStart(10)}`);
    for (const [name, bytes, packed] of table) console.log(`${name.padEnd(44)}${String(bytes).padStart(10)}${String(packed).padStart(10)}`);
    assert.ok(total[1] <= LIMIT_BYTES, `${total[1]} bytes`);
  });
});
