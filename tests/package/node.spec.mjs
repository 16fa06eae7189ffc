// The package in Node: imports on a server, pictures on the CPU, and what TypeScript makes of its types.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { root } from "../../scripts/paths.mjs";
import { readManifest, sizeOf } from "../web/harness/default-model.mjs";
import { createProject, LeftOut } from "./harness/project.mjs";
import { packTarball } from "./harness/tarball.mjs";

const MINUTES = 60_000;
const MANIFEST = join(root, "www", "models", "default", "manifest.json");
const { width, height } = readManifest().defaults;
/** Dawn needs more of Vulkan than Debian's lavapipe has; Chromium's own software driver has it. */
const SWIFTSHADER = ["/usr/lib/chromium/vk_swiftshader_icd.json", "/opt/google/chrome/vk_swiftshader_icd.json"];
const TSC = join(root, "node_modules", "typescript", "bin", "tsc");

describe("the package in Node", { timeout: 30 * MINUTES }, () => {
  let tarball, project;

  before(async () => {
    tarball = packTarball();
    project = createProject("node", ["examples/node", "tests/package/consumer"]);
    await project.install(tarball.path, "react@19.3.1", "@types/react@19.3.0");
  });
  after(() => {
    project?.remove();
    tarball?.remove();
  });

  /** Runs a module in the project and gives what it prints as JSON. */
  async function evaluated(source, ...flags) {
    const { status, output } = await project.node(...flags, "--input-type=module", "--eval", source);
    assert.equal(status, 0, output);
    return JSON.parse(output);
  }

  it("imports every entry point without a page, and touches none", async () => {
    const seen = await evaluated(`
      const touched = [];
      for (const name of ["window", "document", "navigator", "Worker", "customElements", "location", "self"]) {
        Object.defineProperty(globalThis, name, { configurable: true, get: () => void touched.push(name) });
      }
      const names = {};
      for (const entry of ["tenstep", "tenstep/react"]) names[entry] = Object.keys(await import(entry));
      const touchedByMost = touched.splice(0);
      const element = await import("tenstep/element");
      names["tenstep/element"] = Object.keys(element);
      console.log(JSON.stringify({ names, touchedByMost, touched }));
    `);
    for (const [entry, name] of [["tenstep", "Tenstep"], ["tenstep/react", "useTenstep"], ["tenstep/element", "defineTenstepImage"]]) {
      assert.ok(seen.names[entry].includes(name), `${entry}: ${seen.names[entry]}`);
    }
    assert.deepEqual([seen.touchedByMost, seen.touched], [[], []]);
  });

  it("imports the browser's entry point too, which servers render with: the same names", async () => {
    const names = 'console.log(JSON.stringify(Object.keys(await import("tenstep"))))';
    assert.deepEqual(await evaluated(names, "--conditions=browser"), await evaluated(names));
    const defined = await evaluated(`
      const { defineTenstepImage } = await import("tenstep/element");
      console.log(JSON.stringify(defineTenstepImage() ?? "nothing"));
    `, "--conditions=browser");
    assert.equal(defined, "nothing");
  });

  it("draws on the CPU, the same picture for the same seed, and lets the program end without dispose", async () => {
    const seen = await evaluated(`
      import { Tenstep } from "tenstep";
      const phases = new Set();
      const tenstep = await Tenstep.load({ manifest: ${JSON.stringify(MANIFEST)}, backend: "cpu", onProgress: ({ phase }) => phases.add(phase) });
      const previews = [];
      const options = { prompt: "a red apple", seed: 7, steps: 4 };
      const { image } = await tenstep.generate({ ...options, onStep: ({ preview }) => previews.push(preview?.width ?? 0) });
      const again = await tenstep.generate(options);
      console.log(JSON.stringify({
        phases: [...phases], steps: previews.length, size: [image.width, image.height, image.data.length, image.colorSpace],
        colours: new Set(new Uint32Array(image.data.buffer)).size, isSame: String(image.data) === String(again.image.data),
        backend: tenstep.backend.backend,
      }));
    `);
    assert.deepEqual(seen.size, [width, height, width * height * 4, "srgb"]);
    assert.ok(seen.phases.includes("download") && seen.phases.includes("compile"), `${seen.phases}`);
    assert.equal(seen.steps, 4);
    assert.ok(seen.colours > 100, `${seen.colours} colours`);
    assert.deepEqual([seen.isSame, seen.backend], [true, "cpu"]);
  });

  it("takes paths relative to the working folder and file: addresses, and says what is not there", async () => {
    project.addModel(".");
    const seen = await evaluated(`
      import { Tenstep, TenstepError } from "tenstep";
      const outcome = async (manifest) => {
        try {
          const tenstep = await Tenstep.load({ manifest, backend: "cpu" });
          await tenstep.dispose();
          return tenstep.model.name;
        } catch (error) {
          return [error instanceof TenstepError, error.code];
        }
      };
      const manifests = ["models/default/manifest.json", new URL(${JSON.stringify(pathToFileURL(MANIFEST).href)}), "models/none/manifest.json"];
      console.log(JSON.stringify([await outcome(manifests[0]), await outcome(manifests[1]), await outcome(manifests[2])]));
    `);
    assert.equal(typeof seen[0], "string");
    assert.equal(seen[0], seen[1]);
    assert.deepEqual(seen[2], [true, "fetch-failed"]);
  });

  it("aborts between steps, and goes on", async () => {
    const seen = await evaluated(`
      import { Tenstep } from "tenstep";
      const tenstep = await Tenstep.load({ manifest: ${JSON.stringify(MANIFEST)}, backend: "cpu" });
      const abort = new AbortController();
      const error = await tenstep.generate({ steps: 1000, signal: abort.signal, onStep: () => abort.abort() }).catch((error) => error);
      const { image } = await tenstep.generate({ steps: 1 });
      console.log(JSON.stringify([error.name, image.width]));
    `);
    assert.deepEqual(seen, ["AbortError", width]);
  });

  it("lets the program end after a request that could not be sent", async () => {
    const name = await evaluated(`
      import { Worker } from "node:worker_threads";
      import { Tenstep } from "tenstep";
      const tenstep = await Tenstep.load({ manifest: ${JSON.stringify(MANIFEST)}, backend: "cpu", threads: 1 });
      Worker.prototype.postMessage = () => structuredClone(() => undefined);
      const error = await tenstep.generate({ steps: 1 }).catch((error) => error);
      console.log(JSON.stringify(error.name));
      // Only a program that does not end lives to see this.
      setTimeout(() => process.exit(3), 10_000).unref();
    `);
    assert.equal(name, "DataCloneError");
  });

  it("says why there is no WebGPU where the package webgpu is not installed", async () => {
    const [code, message] = await evaluated(`
      import { Tenstep } from "tenstep";
      const error = await Tenstep.load({ manifest: ${JSON.stringify(MANIFEST)}, backend: "webgpu" }).catch((error) => error);
      console.log(JSON.stringify([error.code, error.message]));
    `);
    assert.equal(code, "webgpu-unavailable");
    assert.match(message, /npm package "webgpu" is not installed/);
  });

  it("draws the CPU's picture on WebGPU once the package webgpu is installed", async (t) => {
    const driver = SWIFTSHADER.find((path) => existsSync(path));
    if (!driver) return t.skip("no SwiftShader lies beside Chromium");
    try {
      await project.install("webgpu@0.6.2");
    } catch (error) {
      if (!(error instanceof LeftOut)) throw error;
      return t.skip(error.message);
    }
    Object.assign(project.env, { VK_DRIVER_FILES: driver, XDG_RUNTIME_DIR: project.folder });
    const { status, output } = await project.node("--input-type=module", "--eval", `
      import { Tenstep } from "tenstep";
      const images = [];
      for (const backend of ["webgpu", "cpu"]) {
        const tenstep = await Tenstep.load({ manifest: ${JSON.stringify(MANIFEST)}, backend });
        const { image } = await tenstep.generate({ prompt: "a red apple", seed: 7, steps: 1, guidanceScale: 1, ...${JSON.stringify(sizeOf(2))} });
        images.push(image.data);
        console.log(tenstep.backend.backend);
      }
      console.log("largest difference", Math.max(...images[0].map((value, at) => Math.abs(value - images[1][at]))));
    `);
    assert.equal(status, 0, output);
    // Dawn warns of what the driver lacks.
    const lines = output.split("\n").filter((line) => /^(webgpu|cpu|largest)/.test(line));
    assert.deepEqual(lines.slice(0, 2), ["webgpu", "cpu"], output);
    assert.ok(Number(/largest difference (\d+)/.exec(lines[2])?.[1]) <= 1, lines[2]);
  });

  it("runs the example", async () => {
    project.addModel(".");
    const output = await project.run("start", "a green tree");
    assert.equal(output.match(/▀/g)?.length, (width * height) / 2);
    assert.match(output, /"a green tree" with seed \d+/);
  });

  for (const [resolution, module] of [["bundler", "esnext"], ["nodenext", "nodenext"]]) {
    it(`has types that a strict program compiles with, resolved the way of ${resolution}`, async () => {
      const { status, output } = await project.node(TSC, "--strict", "--noEmit", "--target", "es2022", "--module", module, "--moduleResolution", resolution, "--jsx", "react-jsx", "--exactOptionalPropertyTypes", "--types", "", "consumer.tsx");
      assert.equal(status, 0, output);
    });
  }

  it("has types that refuse what is wrong", async () => {
    const { status, output } = await project.node(TSC, "--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "--jsx", "react-jsx", "--types", "", "mistakes.tsx");
    assert.notEqual(status, 0);
    const lines = [...output.matchAll(/mistakes\.tsx\((\d+),/g)].map((match) => Number(match[1]));
    assert.deepEqual([...new Set(lines)], [5, 6, 7], output);
  });
});
