// The page without a network: what its service worker keeps, for whom, and how one version follows another. Real
// Chromium; the engine is light, except where a browser is restarted.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { dist } from "../../scripts/paths.mjs";
import { launchChromium, launchChromiumOn, launchFirefox } from "./harness/browsers.mjs";
import { publishPage } from "./harness/published-page.mjs";
import { openSite } from "./harness/site.mjs";

const LIMIT = { timeout: 1_800_000 };
const PICTURE = "?prompt=a+red+apple&seed=7&steps=3";

/** Waits for `selector`, and fails with the page's own words if it shows an error instead. */
async function comes(page, selector) {
  await page.waitForSelector(`${selector}, #error:not([hidden])`, { state: "attached" });
  const error = page.locator("#error");
  if (await error.isVisible()) assert.fail((await error.textContent()).trim());
}
const finished = (page) => comes(page, '#picture[data-state="result"]');
const version = (page) => page.evaluate(() => document.documentElement.dataset.version);
const says = async (page, state) => {
  await page.waitForFunction(() => !["", "keeping"].includes(document.querySelector("#offline-status").dataset.state ?? ""));
  const status = page.locator("#offline-status");
  assert.equal(await status.getAttribute("data-state"), state, await status.textContent());
  return status.textContent();
};
const pageCaches = (page) => page.evaluate(async () => (await caches.keys()).filter((name) => name.startsWith("tenstep-page-/demo/@")));
const pixels = (page) =>
  page.evaluate(async () => {
    const image = await createImageBitmap(document.querySelector("#result"));
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    return Array.from(context.getImageData(0, 0, image.width, image.height).data);
  });
/** Makes another picture from the page as it stands. */
async function makesAnother(page, seed) {
  await page.locator("#seed").fill(String(seed));
  await page.locator("#generate").click();
  await page.waitForFunction((end) => document.querySelector("#result").alt.endsWith(end) || !document.querySelector("#error").hidden, `seed ${seed}`);
  await finished(page);
}
/** A new worker for the running page, with all that this fetches. */
async function reloadsEngine(page) {
  await page.locator("#backend").evaluate((select) => {
    select.value = select.value === "cpu" ? "auto" : "cpu";
    select.dispatchEvent(new Event("change"));
  });
}
const albumSize = (page) => page.locator("#album > li").count();
const lookForUpdate = (page) => page.evaluate(async () => void (await (await navigator.serviceWorker.ready).update()));

describe("offline", LIMIT, () => {
  let root, folder, site, chromium, context;

  before(async () => {
    root = mkdtempSync(join(tmpdir(), "tenstep-published-"));
    folder = join(root, "demo");
    site = await openSite(root);
    chromium = await launchChromium({ webgpu: false });
  });
  after(async () => {
    await chromium?.close();
    await site?.close();
    rmSync(root, { recursive: true, force: true });
  });
  beforeEach(async () => {
    await publishPage(folder, "A");
    context = await chromium.browser.newContext();
    context.setDefaultTimeout(0);
  });
  afterEach(async () => {
    await context?.close();
    site.reset();
  });

  const address = (query = "") => `${site.url}demo/${query}`;
  /** A page that has made a picture and been kept. */
  async function visited(query = PICTURE) {
    const page = await context.newPage();
    await page.goto(address(query));
    await finished(page);
    await says(page, "ready");
    return page;
  }

  it("keeps the page and the engine in use, once, after the first picture, and no model", async () => {
    const page = await context.newPage();
    await page.goto(address(PICTURE));
    await finished(page);
    assert.match(await says(page, "ready"), /Ready for use offline/);
    const [name, ...others] = await pageCaches(page);
    assert.deepEqual(others, []);
    assert.match(name, /^tenstep-page-\/demo\/@[0-9a-f]{16}$/);
    const paths = await page.evaluate(async (name) => (await (await caches.open(name)).keys()).map(({ url }) => new URL(url).pathname), name);
    for (const path of ["/demo/", "/demo/main.js", "/demo/theme.css", "/demo/lab.html", "/demo/tenstep/worker.js", "/demo/tenstep/wasm/tenstep_cpu.js", "/demo/manifest.webmanifest", "/demo/icon-192.png"]) {
      assert.ok(paths.includes(path), `${path} among ${paths.join(", ")}`);
    }
    assert.deepEqual(paths.filter((path) => /tenstep_gpu|models|service-worker/.test(path)), []);
    const first = site.requests.indexOf("/demo/service-worker.js");
    assert.ok(first > site.requests.indexOf("/demo/models/default/manifest.json"), "the service worker came after the model");
  });

  it("opens every address below its own without a network, and leaves other files to the server", async () => {
    const page = await visited();
    await site.close();
    for (const [query, title] of [["", /pictures/], ["?prompt=x&seed=1&steps=1", /pictures/], ["index.html", /pictures/], ["lab.html", /laboratory/], ["no/such/page", /pictures/]]) {
      await page.goto(address(query));
      assert.match(await page.title(), title, query);
      assert.equal(await page.evaluate(() => document.styleSheets.length > 0 && [...document.styleSheets].every((sheet) => sheet.cssRules.length > 0)), true, query);
    }
    const outcome = (path, options) => page.evaluate(([path, options]) => fetch(path, options).then(({ status }) => status, ({ name }) => name), [path, options]);
    assert.equal(await outcome("theme.css"), 200);
    assert.equal(await outcome("theme.css", { headers: { range: "bytes=0-9" } }), "TypeError", "a range is not answered with the whole");
    assert.equal(await outcome("notes.txt"), "TypeError");
    site = await openSite(root);
  });

  it("lets the running page go on with its own version, offers the next, and takes it when asked", async () => {
    const page = await visited();
    assert.equal(await page.locator("#update").isVisible(), false);
    await publishPage(folder, "B", breakingOlderPages);
    await lookForUpdate(page);
    await page.waitForSelector("#update:not([hidden])", { state: "attached" });

    await makesAnother(page, 8);
    await page.reload();
    await finished(page);
    assert.equal(await version(page), "A", "a reload alone changes nothing");
    await reloadsEngine(page);
    await makesAnother(page, 9);
    assert.equal((await pageCaches(page)).length, 2);

    await page.waitForSelector("#update:not([hidden])", { state: "attached" });
    await page.locator("#reload").dispatchEvent("click");
    await page.waitForFunction(() => document.documentElement.dataset.version === "B");
    await finished(page);
    assert.equal(await page.locator("#update").isVisible(), false);
    await until(async () => (await pageCaches(page)).length === 1, "the cache of A is gone");
    await says(page, "ready");
  });

  it("keeps an older page in another tab whole after an update, and drops its files when it is closed", async () => {
    const older = await visited();
    await older.reload();
    await finished(older);
    const newer = await context.newPage();
    await newer.goto(address());
    await publishPage(folder, "B", breakingOlderPages);
    await lookForUpdate(newer);
    await newer.waitForSelector("#update:not([hidden])", { state: "attached" });
    await newer.locator("#reload").dispatchEvent("click");
    await newer.waitForFunction(() => document.documentElement.dataset.version === "B");

    assert.equal(await version(older), "A");
    await reloadsEngine(older);
    await makesAnother(older, 9);
    assert.equal((await pageCaches(newer)).length, 2);

    await older.close();
    // Files go when a page is opened, and nothing else needs them by then.
    await until(async () => {
      await newer.reload();
      return (await pageCaches(newer)).length === 1;
    }, "the cache of A is gone");
  });

  it("takes a new version without being asked once no page of the old one is open, and keeps the engine for it", async () => {
    const page = await visited();
    await publishPage(folder, "B");
    await lookForUpdate(page);
    await page.waitForSelector("#update:not([hidden])", { state: "attached" });
    await page.goto("about:blank");
    await site.close();
    await until(async () => {
      await page.goto(address());
      if ((await version(page)) === "B") return true;
      await page.goto("about:blank");
      return false;
    }, "B is there");
    const status = await page.evaluate(() => fetch("tenstep/wasm/tenstep_cpu.js").then(({ status }) => status, ({ name }) => name));
    assert.equal(status, 200, "what worked offline in A does in B");
    site = await openSite(root);
  });

  it("owns only its own caches", async () => {
    const page = await visited();
    const strangers = ["other-app-v1", "tenstep-v1-shards", "tenstep-page-/@0123456789abcdef", "tenstep-page-/demo/two/@0123456789abcdef"];
    await page.evaluate((names) => Promise.all(names.map((name) => caches.open(name))), strangers);
    await publishPage(folder, "B");
    await lookForUpdate(page);
    await page.waitForSelector("#update:not([hidden])", { state: "attached" });
    await page.locator("#reload").dispatchEvent("click");
    await page.waitForFunction(() => document.documentElement.dataset.version === "B");
    await until(async () => (await pageCaches(page)).length === 1, "the cache of A is gone");
    assert.deepEqual((await page.evaluate(() => caches.keys())).filter((name) => strangers.includes(name)).sort(), [...strangers].sort());
  });

  const broken = {
    "an error page with status 200": (path) => site.answerBytes(path, Buffer.from("<!doctype html><p>Not here."), "text/html"),
    "a missing file": (path) => site.answerStatus(path, 404),
    "a file of another version": (path) => site.answerBytes(path, Buffer.from("body { color: red }"), "text/css"),
  };
  for (const [name, answer] of Object.entries(broken)) {
    it(`keeps nothing of a deployment with ${name}, says so, and the page works`, async () => {
      const page = await context.newPage();
      answer("/demo/lab.css");
      await page.goto(address(PICTURE));
      await finished(page);
      assert.match(await says(page, "failed"), /Not ready for use offline/);
      assert.deepEqual(await pageCaches(page), []);
      // Mended, the next picture brings it about.
      site.reset();
      await makesAnother(page, 8);
      await page.waitForSelector('#offline-status[data-state="ready"]', { state: "attached" });
    });
  }

  it("says that the browser's storage is full, and the page works", async () => {
    const page = await context.newPage();
    const devtools = await context.newCDPSession(page);
    await devtools.send("Storage.overrideQuotaForOrigin", { origin: new URL(site.url).origin, quotaSize: 20_000 });
    await page.goto(address(PICTURE));
    await finished(page);
    assert.match(await says(page, "failed"), /storage/);
    await makesAnother(page, 8);
  });

  it("is not ready while the model is not kept", async () => {
    const page = await context.newPage();
    await page.goto(address());
    await page.waitForSelector("#backend-report[data-backend]", { state: "attached" });
    await forgetModel(page);
    await page.evaluate(() => document.querySelector("#generate").click());
    await finished(page);
    assert.match(await says(page, "without-model"), /not kept its model/);
  });
});

describe("Firefox", LIMIT, () => {
  it("keeps the page too, and opens it without a network", async () => {
    const root = mkdtempSync(join(tmpdir(), "tenstep-published-"));
    await publishPage(join(root, "demo"), "A");
    const site = await openSite(root);
    const firefox = await launchFirefox({ webgpu: false });
    try {
      const page = await firefox.browser.newPage();
      page.setDefaultTimeout(0);
      await page.goto(`${site.url}demo/${PICTURE}`);
      await page.waitForFunction(() => !["", "keeping"].includes(document.querySelector("#offline-status").dataset.state ?? ""));
      assert.equal(await page.evaluate(() => document.querySelector("#offline-status").textContent), "Ready for use offline.");
      await site.close();
      await page.goto(`${site.url}demo/${PICTURE}`);
      await page.waitForSelector('#picture[data-state="result"], #error:not([hidden])');
      assert.equal(await page.evaluate(() => document.querySelector("#error-message").textContent), "");
      assert.equal(await version(page), "A");
    } finally {
      await firefox.close();
      await site.close();
      rmSync(root, { recursive: true, force: true });
    }
  });
});

describe("a browser that is started again without a network", LIMIT, () => {
  it("makes the same picture of the same seed with the real engine and model", async () => {
    const profile = mkdtempSync(join(tmpdir(), "tenstep-profile-"));
    const site = await openSite();
    let browser = await launchChromiumOn(profile);
    browser.setDefaultTimeout(0);
    try {
      const address = `${site.url}?prompt=a+red+apple&seed=7`;
      const first = await browser.newPage();
      await first.goto(address);
      await finished(first);
      await says(first, "ready");
      const picture = await pixels(first);
      const pictures = await albumSize(first);
      assert.equal(pictures, 1);
      await browser.close();
      await site.close();

      browser = await launchChromiumOn(profile);
      browser.setDefaultTimeout(0);
      await assert.rejects(fetch(address), "the server is gone");
      const second = await browser.newPage();
      const complaints = [];
      second.on("pageerror", (error) => complaints.push(String(error)));
      await second.goto(site.url);
      await until(async () => (await albumSize(second)) === pictures, "the album is back");
      await second.goto(address);
      await finished(second);
      assert.deepEqual(await pixels(second), picture);
      assert.equal(await says(second, "ready"), "Ready for use offline.");
      assert.deepEqual(complaints, []);
    } finally {
      await browser.close();
      await site.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    }
  });
});

/** Modules under other names, and traps or nothing under the old ones: a page of A that got a file of B would fail. */
function breakingOlderPages(folder) {
  const modules = join(folder, "tenstep");
  const paths = readdirSync(modules, { recursive: true }).filter((path) => path.endsWith(".js"));
  for (const path of paths) {
    const text = readFileSync(join(modules, path), "utf8").replaceAll(/(\.{1,2}\/[\w/-]+)\.js(?=["'`])/g, "$1-b.js");
    if (path !== "index.js") rmSync(join(modules, path));
    writeFileSync(join(modules, path === "index.js" ? path : path.replace(/\.js$/, "-b.js")), text);
  }
  for (const path of ["worker.js", "errors.js"]) writeFileSync(join(modules, path), 'throw new Error("of another version");\n');
}

async function forgetModel(page) {
  await page.evaluate(async () => (await import("./tenstep/index.js")).storage.clear());
}

async function until(condition, what) {
  for (let left = 300; !(await condition()); left--) {
    assert.ok(left > 0, `in vain: ${what}`);
    await setTimeout(200);
  }
}
