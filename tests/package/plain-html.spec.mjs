// The package without a bundler: under a strict content security policy, and from another origin.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { serve } from "../../scripts/serve.mjs";
import { launchChromium } from "../web/harness/browsers.mjs";
import { assertPicture } from "./harness/ask-for-picture.mjs";
import { createProject, LeftOut } from "./harness/project.mjs";
import { packTarball } from "./harness/tarball.mjs";

const STRICT = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";

describe("plain HTML", { timeout: 600_000 }, () => {
  let cdn, chromium;

  before(async () => {
    cdn = await serve({
      answerFirst: (_, response) => {
        response.setHeader("access-control-allow-origin", "*");
        return false;
      },
    });
    chromium = await launchChromium({ webgpu: false });
  });
  after(async () => {
    await chromium?.close();
    await cdn?.close();
  });

  /** Serves a folder with more files, each response under the policy; `work` gets an open page and what went wrong in it. */
  async function inPage({ folder, files = {}, address, policy }, work) {
    const site = await serve({
      ...(folder && { folder }),
      answerFirst: (request, response) => {
        if (policy) response.setHeader("content-security-policy", policy);
        const text = files[request.url];
        if (text === undefined) return false;
        response.setHeader("content-type", request.url.endsWith(".js") ? "text/javascript" : "text/html");
        response.end(text);
        return true;
      },
    });
    const page = await chromium.browser.newPage();
    const troubles = [];
    page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
    page.on("pageerror", (error) => troubles.push(String(error)));
    page.setDefaultTimeout(500_000);
    try {
      await page.goto(`${site.url}${address}`);
      await work(page, troubles);
    } finally {
      await page.close();
      await site.close();
    }
  }

  it("draws the example's elements under a strict policy, in one worker with its second thread, without cross-origin isolation", async (t) => {
    const tarball = packTarball();
    const project = createProject("plain-html", ["examples/plain-html"]);
    try {
      await project.install(tarball.path);
      await project.run("build");
      project.addModel(".");
      // Chromium asks for an icon, and its console has an error where there is none.
      const files = { "/favicon.ico": "" };
      await inPage({ folder: project.folder, files, address: "", policy: STRICT }, async (page, troubles) => {
        await page.waitForFunction(() => [...document.querySelectorAll("tenstep-image")].every(({ picture }) => picture));
        assert.equal(await page.evaluate(() => crossOriginIsolated), false);
        const threads = (await page.evaluate(() => navigator.hardwareConcurrency)) >= 2 ? 2 : 1;
        assert.equal(page.workers().length, threads, "the elements share one");
        const canvases = page.locator("tenstep-image canvas");
        assert.equal(await canvases.count(), 2);
        for (const canvas of await canvases.all()) await assertPicture(canvas);
        assert.deepEqual(troubles, []);
      });
    } catch (error) {
      if (!(error instanceof LeftOut)) throw error;
      t.skip(error.message);
    } finally {
      project.remove();
      tarball.remove();
    }
  });

  /** A page that imports the package from the other origin, and draws with these options. */
  const fromCdn = (options, before = "") => `
    import { Tenstep } from "${cdn.url}tenstep/index.js";
    ${before}
    const outcome = async () => {
      try {
        const tenstep = await Tenstep.load({ manifest: "/models/default/manifest.json", backend: "cpu", ${options} });
        const { image } = await tenstep.generate({ prompt: "a red apple", steps: 2 });
        const canvas = document.createElement("canvas");
        Object.assign(canvas, { width: image.width, height: image.height });
        canvas.getContext("2d").putImageData(image, 0, 0);
        document.body.append(canvas);
        return "drawn";
      } catch (error) {
        return error.code + ": " + error.message;
      }
    };
    window.outcome = await outcome();`;
  const pageFiles = (script) => ({
    "/page.html": '<!doctype html><link rel="icon" href="data:,"><body><script type="module" src="page.js"></script>',
    "/page.js": script,
  });

  it("from another origin says that the worker cannot start", async () => {
    await inPage({ files: pageFiles(fromCdn("")), address: "page.html" }, async (page) => {
      const outcome = await (await page.waitForFunction(() => window.outcome)).jsonValue();
      assert.match(outcome, /^engine-unavailable: the worker could not be started/);
    });
  });

  it("from another origin draws with a worker file of the page's own, under a policy that names the other origin", async () => {
    const files = { ...pageFiles(fromCdn('workerUrl: "/tenstep-worker.js"')), "/tenstep-worker.js": `import "${cdn.url}tenstep/worker.js";` };
    const origin = new URL(cdn.url).origin;
    const policy = `default-src 'none'; script-src 'self' ${origin} 'wasm-unsafe-eval'; worker-src 'self' ${origin}; connect-src 'self' ${origin}; img-src data:`;
    await inPage({ files, address: "page.html", policy }, async (page, troubles) => {
      assert.equal(await (await page.waitForFunction(() => window.outcome)).jsonValue(), "drawn", troubles.join("\n"));
      await assertPicture(page.locator("canvas"));
      assert.deepEqual(troubles, []);
    });
  });

  it("from another origin draws with a worker from a blob, where the policy lets blobs be workers", async () => {
    const blob = `const workerUrl = URL.createObjectURL(new Blob(['import "${cdn.url}tenstep/worker.js";'], { type: "text/javascript" }));`;
    const origin = new URL(cdn.url).origin;
    const policy = `default-src 'none'; script-src 'self' ${origin} 'wasm-unsafe-eval'; worker-src blob: ${origin}; connect-src 'self' ${origin}; img-src data:`;
    await inPage({ files: pageFiles(fromCdn("workerUrl", blob)), address: "page.html", policy }, async (page, troubles) => {
      assert.equal(await (await page.waitForFunction(() => window.outcome)).jsonValue(), "drawn", troubles.join("\n"));
      await assertPicture(page.locator("canvas"));
    });
  });
});
