// <tenstep-image> in a browser, with the fake engine: events, sharing, changes, the end.

import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { answerWithFakes } from "./fake/site.mjs";
import { launchChromium } from "./harness/browsers.mjs";
import { openSite } from "./harness/site.mjs";

const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'; img-src data:";
const SCRIPT = `
  import { defineTenstepImage, TenstepImageElement } from "./tenstep/element/index.js";
  const wasDefined = customElements.get("tenstep-image") !== undefined;
  /** An element that writes down its events. */
  function make(attributes) {
    const element = document.createElement("tenstep-image");
    element.seen = [];
    for (const type of ["progress", "step", "load", "error"]) {
      element.addEventListener(type, ({ detail }) => element.seen.push([type, detail]));
    }
    for (const [name, value] of Object.entries({ manifest: "/fake/manifest.json", ...attributes })) element.setAttribute(name, value);
    return element;
  }
  const heard = (element, type) => new Promise((resolve) => element.addEventListener(type, ({ detail }) => resolve(detail), { once: true }));
  Object.assign(window, { defineTenstepImage, TenstepImageElement, wasDefined, make, heard, isReady: true });`;

describe("<tenstep-image>", { timeout: 300_000 }, () => {
  let site, browser, page, complaints;

  before(async () => {
    site = await openSite();
    browser = await launchChromium({ webgpu: false });
  });
  beforeEach(async () => {
    answerWithFakes(site);
    site.requests.length = 0;
    site.answerBytes("/element.js", Buffer.from(SCRIPT), "text/javascript");
    site.answer("/element.html", (_, response) =>
      response
        .writeHead(200, { "content-type": "text/html", "content-security-policy": POLICY })
        .end('<!doctype html><link rel="icon" href="data:,"><body><script type="module" src="element.js"></script>'),
    );
    await page?.close();
    page = await browser.open(`${site.url}element.html`);
    complaints = [];
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });

  it("is registered by a call, which may be repeated, and not by the import", async () => {
    const seen = await page.evaluate(() => {
      defineTenstepImage();
      defineTenstepImage();
      return [wasDefined, customElements.get("tenstep-image") === TenstepImageElement];
    });
    assert.deepEqual(seen, [false, true]);
  });

  it("draws from its attributes, tells of each stage, and has a name for screen readers, under a strict policy", async () => {
    const seen = await page.evaluate(async () => {
      defineTenstepImage();
      const element = make({ prompt: "a red apple", seed: "5", steps: "3" });
      document.body.append(element);
      const { seed, image } = await heard(element, "load");
      const canvas = element.shadowRoot.querySelector("canvas");
      const [pixel] = canvas.getContext("2d").getImageData(0, 0, 1, 1).data;
      return {
        order: element.seen.map(([type]) => type).filter((type, at, all) => type !== all[at - 1]),
        steps: element.seen.filter(([type]) => type === "step").map(([, { step }]) => step),
        facts: [seed, image.width, canvas.width, pixel, element.picture.seed],
        role: [canvas.role, canvas.ariaLabel, canvas.ariaBusy],
        status: element.shadowRoot.querySelector("[role=status]").textContent,
      };
    });
    assert.deepEqual(seen.order, ["progress", "step", "load"]);
    assert.deepEqual(seen.steps, [1, 2, 3]);
    assert.deepEqual(seen.facts, [5, 64, 64, 255, 5]);
    assert.deepEqual(seen.role, ["img", "a red apple", "false"]);
    assert.equal(seen.status, "");
    assert.deepEqual(complaints, []);
  });

  it("is named by alt where there is one, and says what it waits for", async () => {
    const seen = await page.evaluate(async () => {
      defineTenstepImage();
      const element = make({ prompt: "a", alt: "An apple" });
      document.body.append(element);
      await heard(element, "progress");
      const status = element.shadowRoot.querySelector("[role=status]");
      const progress = element.shadowRoot.querySelector("progress");
      const waiting = [status.textContent, progress.hidden];
      await heard(element, "load");
      return { name: element.shadowRoot.querySelector("canvas").ariaLabel, waiting, isHidden: progress.hidden };
    });
    assert.deepEqual(seen, { name: "An apple", waiting: ["Loading the model", false], isHidden: true });
  });

  it("shares one worker and one download among elements with the same model", async () => {
    const seeds = await page.evaluate(async () => {
      defineTenstepImage();
      const elements = ["1", "2", "3"].map((seed) => make({ seed, steps: "2" }));
      const loads = elements.map((element) => heard(element, "load"));
      document.body.append(...elements);
      return (await Promise.all(loads)).map(({ seed }) => seed);
    });
    assert.deepEqual(seeds, [1, 2, 3]);
    assert.equal(page.workers().length, 1);
    assert.equal(site.requests.filter((path) => path === "/fake/manifest.json").length, 1);
  });

  it("draws anew when an attribute changes, and drops what was under way", async () => {
    const seen = await page.evaluate(async () => {
      defineTenstepImage();
      const element = make({ seed: "1", steps: "1000" });
      document.body.append(element);
      await heard(element, "step");
      element.setAttribute("seed", "2");
      element.setAttribute("steps", "2");
      await heard(element, "load");
      return element.seen.flatMap(([type, detail]) => (type === "load" ? [detail.seed] : type === "error" ? [detail.name] : []));
    });
    assert.deepEqual(seen, [2]);
    assert.equal(page.workers().length, 1);
  });

  it("goes on when it is moved; aborts when it is removed, and frees the worker", async () => {
    const moved = await page.evaluate(async () => {
      defineTenstepImage();
      const element = make({ seed: "1", steps: "20" });
      document.body.append(element);
      await heard(element, "step");
      document.body.prepend(element);
      await heard(element, "load");
      return element.seen.filter(([type, detail]) => type === "step" && detail.step === 1).length;
    });
    assert.equal(moved, 1);
    await page.evaluate(async () => {
      const element = document.querySelector("tenstep-image");
      element.setAttribute("steps", "1000");
      await heard(element, "step");
      element.remove();
      element.seen.length = 0;
      window.removed = element;
    });
    while (page.workers().length > 0) await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(await page.evaluate(() => removed.seen.filter(([type]) => type !== "step")), []);
    assert.deepEqual(complaints, []);
  });

  it("waits no longer once its manifest is taken away", async () => {
    const seen = await page.evaluate(async () => {
      defineTenstepImage();
      const states = [];
      for (const stage of ["progress", "step"]) {
        const element = make({ steps: "1000" });
        document.body.append(element);
        await heard(element, stage);
        element.removeAttribute("manifest");
        await Promise.resolve();
        const [canvas, progress, status] = ["canvas", "progress", "[role=status]"].map((part) => element.shadowRoot.querySelector(part));
        states.push([canvas.ariaBusy, progress.hidden, status.textContent]);
        element.remove();
      }
      return states;
    });
    assert.deepEqual(seen, [["false", true, ""], ["false", true, ""]]);
  });

  it("says what went wrong, and works again once it is put right", async () => {
    const seen = await page.evaluate(async () => {
      defineTenstepImage();
      const element = make({ manifest: "/fake/none.json", steps: "2" });
      document.body.append(element);
      const missing = await heard(element, "error");
      const said = element.shadowRoot.querySelector("[role=status]").textContent;
      element.setAttribute("manifest", "/fake/manifest.json");
      element.setAttribute("steps", "many");
      const wrong = await heard(element, "error");
      element.setAttribute("steps", "2");
      const { image } = await heard(element, "load");
      return [missing.code, said === missing.message, wrong.code, image.width];
    });
    assert.deepEqual(seen, ["fetch-failed", true, "invalid-option", 64]);
  });

  it("takes what load takes that is text, numbers or addresses, and says what is none", async () => {
    answerWithFakes(site, "/mirror");
    site.answerStatus("/fake/manifest.json", 404);
    const seen = await page.evaluate(async () => {
      defineTenstepImage();
      const element = make({ mirrors: " /none/manifest.json\n/mirror/manifest.json ", store: "cache", threads: "1", steps: "2" });
      document.body.append(element);
      await heard(element, "load");
      const kept = (await caches.keys()).length;
      const wrong = [];
      for (const [name, value] of [["threads", "3"], ["threads", "two"], ["store", "disk"], ["mirrors", "http://"]]) {
        const before = element.getAttribute(name);
        element.setAttribute(name, value);
        const { code, message } = await heard(element, "error");
        wrong.push([code, message.split(" ")[0]]);
        element.setAttribute(name, before);
        await heard(element, "load");
      }
      return { kept, wrong };
    });
    const options = ["threads", "threads", "store", "mirrors[0]"].map((option) => ["invalid-option", option]);
    assert.deepEqual(seen, { kept: 1, wrong: options });
    assert.ok(site.requests.includes("/none/manifest.json"));
  });
});
