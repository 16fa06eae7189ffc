// Whether the page can be installed as an app: Chromium's own verdict, and what other browsers look at.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { launchChromiumOn } from "./harness/browsers.mjs";
import { publishPage } from "./harness/published-page.mjs";
import { openSite } from "./harness/site.mjs";

describe("the page as an app", { timeout: 900_000 }, () => {
  let root, site, browser, page, manifest;
  const complaints = [];

  before(async () => {
    root = mkdtempSync(join(tmpdir(), "tenstep-installable-"));
    await publishPage(join(root, "demo"), "A");
    site = await openSite(root);
    // A profile: private windows install nothing.
    browser = await launchChromiumOn(join(root, "profile"));
    browser.setDefaultTimeout(0);
    page = await browser.newPage();
    page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(`${site.url}demo/?prompt=a+red+apple&seed=7&steps=2`);
    await page.waitForSelector('#offline-status[data-state="ready"]', { state: "attached" });
    manifest = await (await fetch(await page.locator('link[rel="manifest"]').evaluate(({ href }) => href))).json();
  });
  after(async () => {
    await browser?.close();
    await site?.close();
    rmSync(root, { recursive: true, force: true, maxRetries: 5 });
  });

  const absolute = (address) => new URL(address, `${site.url}demo/manifest.webmanifest`).href;

  it("is installable, says Chromium", async () => {
    const devtools = await browser.newCDPSession(page);
    const { errors, url } = await devtools.send("Page.getAppManifest");
    assert.equal(url, `${site.url}demo/manifest.webmanifest`);
    assert.deepEqual(errors, []);
    assert.deepEqual((await devtools.send("Page.getInstallabilityErrors")).installabilityErrors, []);
  });

  it("has a name, a place to start, a window of its own and colours", () => {
    assert.ok(manifest.name.length > 0 && manifest.short_name.length > 0 && manifest.short_name.length <= 12);
    assert.equal(manifest.display, "standalone");
    for (const place of ["id", "start_url", "scope"]) assert.equal(absolute(manifest[place]), `${site.url}demo/`, place);
    for (const colour of ["theme_color", "background_color"]) assert.match(manifest[colour], /^#[0-9a-f]{6}$/, colour);
  });

  it("has icons of the sizes and types that it states, one of them to be cut to any shape", async () => {
    for (const { src, sizes, type } of manifest.icons) {
      const response = await fetch(absolute(src));
      assert.equal(response.status, 200, src);
      assert.equal(response.headers.get("content-type"), type, src);
      if (type !== "image/png") continue;
      const bytes = Buffer.from(await response.arrayBuffer());
      assert.equal(`${bytes.readUInt32BE(16)}x${bytes.readUInt32BE(20)}`, sizes, src);
    }
    const pngs = manifest.icons.filter(({ type }) => type === "image/png");
    for (const size of ["192x192", "512x512"]) assert.ok(pngs.some(({ sizes, purpose }) => sizes === size && purpose === "any"), size);
    assert.ok(pngs.some(({ purpose }) => purpose === "maskable"));
  });

  it("fills the maskable icon to its edges, and draws within the middle four fifths", async () => {
    const icon = manifest.icons.find(({ purpose }) => purpose === "maskable");
    const { corners, outside } = await page.evaluate(async (address) => {
      const image = await createImageBitmap(await (await fetch(address)).blob());
      const { width: side } = image;
      const context = new OffscreenCanvas(side, side).getContext("2d");
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, side, side);
      // The edge of the drawing's own square is smoothed into a ground of the same colour, to within rounding.
      const isGround = (x, y) => [0, 1, 2].every((channel) => Math.abs(data[4 * (y * side + x) + channel] - data[channel]) <= 2);
      let outside = 0;
      for (let y = 0; y < side; y++) {
        for (let x = 0; x < side; x++) {
          if (Math.hypot(x - side / 2, y - side / 2) > 0.4 * side && !isGround(x, y)) outside++;
        }
      }
      return { corners: [[0, 0], [side - 1, 0], [0, side - 1], [side - 1, side - 1]].map(([x, y]) => data[4 * (y * side + x) + 3]), outside };
    }, absolute(icon.src));
    assert.deepEqual(corners, [255, 255, 255, 255]);
    assert.equal(outside, 0, "pixels outside");
  });

  it("has the page's colours as an app, and in its icon", async () => {
    const theme = await (await fetch(absolute("theme.css"))).text();
    for (const colour of ["theme_color", "background_color"]) assert.ok(theme.includes(`--page: ${manifest[colour]};`), colour);
    const [, ground] = /<rect[^>]* fill="([^"]+)"/.exec(await (await fetch(absolute("icon.svg"))).text());
    assert.ok(theme.includes(`--accent: ${ground};`), ground);
  });

  it("names its colour, language and viewport", async () => {
    const colours = await page.locator('meta[name="theme-color"]').evaluateAll((all) => all.map(({ content, media }) => [content, media]));
    assert.ok(colours.length > 0);
    for (const [content] of colours) assert.match(content, /^#[0-9a-f]{6}$/);
    assert.match(await page.locator('meta[name="viewport"]').getAttribute("content"), /width=device-width/);
    assert.equal(await page.locator("html").getAttribute("lang"), "en");
  });

  it("is served by its service worker, and starts without a network", async () => {
    await page.reload();
    assert.equal(await page.evaluate(() => new URL(navigator.serviceWorker.controller.scriptURL).pathname), "/demo/service-worker.js");
    assert.deepEqual(complaints, [], "nothing in the console so far");
    await site.close();
    const start = await browser.newPage();
    const failures = [];
    start.on("pageerror", (error) => failures.push(String(error)));
    await start.goto(absolute(manifest.start_url));
    await start.waitForSelector("#backend-report[data-backend]", { state: "attached" });
    assert.match(await start.title(), /Tenstep/);
    assert.deepEqual(failures, []);
  });
});
