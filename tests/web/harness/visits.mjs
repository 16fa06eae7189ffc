// One site and one Chromium without WebGPU for the tests of a file, and a fresh context for each visit to a page.

import { afterEach } from "node:test";
import { watchPage } from "./page-checks.mjs";
import { sharedSite } from "./shared-site.mjs";

/** `{ site, visit(address, options) }`; the site is there once the tests run. Visits end with their test. */
export function visits() {
  const open = [];
  const shared = Object.assign(sharedSite(), { visit });

  afterEach(async () => {
    await Promise.all(open.splice(0).map((context) => context.close()));
    shared.site.reset();
  });

  /** The page at `address` of the site, with what it reported that nobody should see. */
  async function visit(address, options = {}) {
    const context = await shared.chromium.browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    open.push(context);
    const page = await context.newPage();
    const complaints = [];
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.addInitScript(watchPage);
    await page.goto(`${shared.site.url}${address}`);
    return { page, complaints };
  }

  return shared;
}
