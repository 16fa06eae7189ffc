// A site, a Chromium and the fake engine for the tests of a file; each test has a profile of its own with any number of tabs.

import { afterEach, beforeEach } from "node:test";
import { setTimeout } from "node:timers/promises";
import { answerWithFakes } from "../fake/site.mjs";
import { fakeModel } from "../fake/model.mjs";
import { serveModel } from "./faults.mjs";
import { sharedSite } from "./shared-site.mjs";

/** `{ site, context, tab(), model(options) }`; site and context are there once the tests run. */
export function tabs() {
  const shared = Object.assign(sharedSite(), { context: null, tab, model: (options) => serveModel(shared.site, fakeModel(options)) });

  beforeEach(async () => {
    answerWithFakes(shared.site);
    shared.context = await shared.chromium.browser.newContext();
  });
  afterEach(async () => {
    await shared.context.close();
    shared.site.reset();
  });

  /** The test page in a new tab; `tab.load(options)` makes a picture and gives how it went, `tab.progress` is the load's latest. */
  async function tab() {
    const page = await shared.context.newPage();
    page.setDefaultTimeout(0);
    const opened = { page, progress: null, open, load: (options = {}) => page.evaluate((given) => makePicture(given), options) };
    await page.exposeFunction("tellProgress", (progress) => void (opened.progress = progress));
    await open();
    return opened;

    async function open() {
      opened.progress = null;
      await page.goto(`${shared.site.url}test.html`);
      await page.waitForFunction(() => window.isReady);
      await page.evaluate(() => {
        window.makePicture = async ({ abortAfter, ...options }) => {
          const signal = abortAfter === undefined ? undefined : AbortSignal.timeout(abortAfter);
          const { value: tenstep, error } = await outcome(
            Tenstep.load({ manifest: "/fake/manifest.json", onProgress: (progress) => void tellProgress(progress), ...options, ...(signal && { signal }) }),
          );
          if (error) return { error };
          const { image } = await tenstep.generate({ steps: 1 });
          const { storage, model } = tenstep;
          await tenstep.dispose();
          return { width: image.width, storage, revision: model.revision };
        };
      });
    }
  }

  return shared;
}

/** In the page: the bytes of each file that is kept in the origin private file system, by name. */
export async function keptFiles() {
  const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("tenstep-v1");
  const files = {};
  for await (const [name, handle] of folder) files[name] = (await handle.getFile()).size;
  return files;
}

/** Resolves once `condition` gives something true, and to that. A test's own limit ends a wait that is in vain. */
export async function until(condition) {
  for (;;) {
    const value = await condition();
    if (value) return value;
    await setTimeout(20);
  }
}
