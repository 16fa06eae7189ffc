// One site and one Chromium without WebGPU for all tests of a file.

import { after, before } from "node:test";
import { launchChromium } from "./browsers.mjs";
import { openSite } from "./site.mjs";

/** `{ site, chromium }`, which are there once the tests run, and are closed after them. */
export function sharedSite() {
  const shared = { site: null, chromium: null };
  before(async () => {
    shared.site = await openSite();
    shared.chromium = await launchChromium({ webgpu: false });
  });
  after(async () => {
    await shared.chromium?.close();
    await shared.site?.close();
  });
  return shared;
}
