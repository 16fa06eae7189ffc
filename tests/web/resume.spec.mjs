// A run that loses its device, or is saved and taken up elsewhere, ends in the picture that it would have ended in.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { crashGpuProcess, launchChromium } from "./harness/browsers.mjs";
import { MANIFEST_PATH } from "./harness/default-model.mjs";
import { openSite } from "./harness/site.mjs";

const STEPS = 10;
const PICTURE = { prompt: "a red apple", seed: 7, steps: STEPS, width: 32, height: 32 };

let site;
before(async () => (site = await openSite()));
after(() => site.close());

const load = (page, backend) =>
  page.evaluate(async ([manifest, backend]) => (window.tenstep = await Tenstep.load({ manifest, backend })) && undefined, [MANIFEST_PATH, backend]);
const pixels = (page, options) => page.evaluate(async (options) => facts(await tenstep.generate(options)).data, options);

describe("a lost device", { timeout: 900_000 }, () => {
  it(`at each of ${STEPS} steps, by a crash of the GPU process: the picture is the same`, async () => {
    const browser = await launchChromium({ webgpu: true });
    try {
      const page = await browser.open(`${site.url}test.html`);
      await load(page, "webgpu");
      const undisturbed = await pixels(page, PICTURE);
      await page.exposeFunction("crash", () => crashGpuProcess(browser.browser));
      const { data, interruptions, steps } = await page.evaluate(async (options) => {
        const steps = [];
        const onStep = ({ step }) => {
          steps.push(step);
          void crash();
        };
        const { interruptions, ...picture } = await tenstep.generate({ ...options, onStep });
        return { data: facts(picture).data, interruptions, steps };
      }, PICTURE);
      console.log(`lost at steps ${interruptions.map(({ step }) => step).join(", ")}`);
      assert.deepEqual(steps, Array.from({ length: STEPS }, (_, step) => step + 1));
      assert.ok(interruptions.length >= STEPS - 1, `${interruptions.length} losses`);
      assert.ok(interruptions.every(({ code }) => code === "device-lost"), JSON.stringify(interruptions));
      assert.deepEqual(data, undisturbed);
    } finally {
      await browser.close();
    }
  });
});

describe("a saved run", { timeout: 900_000 }, () => {
  // On the CPU at each of ten steps; shaders on a processor in disguise take seconds for one.
  for (const [backend, steps] of [["cpu", STEPS], ["webgpu", 4]]) {
    it(`on ${backend}: saved at each of ${steps} steps and taken up in a new worker and in a new page, the picture is the same`, async () => {
      const browser = await launchChromium({ webgpu: backend === "webgpu" });
      try {
        const picture = { ...PICTURE, steps };
        const page = await browser.open(`${site.url}test.html`);
        await load(page, backend);
        const undisturbed = await pixels(page, picture);
        await page.evaluate(async ([manifest, backend, options]) => {
          const run = await tenstep.start(options);
          window.saves = [await run.save()];
          while (!run.done) {
            await run.step();
            saves.push(await run.save());
          }
          await tenstep.dispose();
          window.tenstep = await Tenstep.load({ manifest, backend });
          window.takeUp = async (saved) => {
            const run = await tenstep.resume(saved);
            while (!run.done) await run.step();
            const { image } = await run.image();
            await run.dispose();
            return Array.from(image.data);
          };
        }, [MANIFEST_PATH, backend, picture]);
        for (let step = 0; step <= steps; step++) {
          assert.deepEqual(await page.evaluate((step) => takeUp(saves[step]), step), undisturbed, `in a new worker, from step ${step}`);
        }
        // Through the browser's database, as a page would keep it.
        await page.evaluate(async () => {
          const opening = indexedDB.open("saves");
          opening.onupgradeneeded = () => opening.result.createObjectStore("runs");
          await new Promise((resolve) => (opening.onsuccess = resolve));
          const writing = opening.result.transaction("runs", "readwrite");
          writing.objectStore("runs").put(saves[2], "half way");
          await new Promise((resolve) => (writing.oncomplete = resolve));
        });
        await page.reload();
        await page.waitForFunction(() => window.isReady);
        await load(page, backend);
        const again = await page.evaluate(async () => {
          const opening = indexedDB.open("saves");
          await new Promise((resolve) => (opening.onsuccess = resolve));
          const reading = opening.result.transaction("runs").objectStore("runs").get("half way");
          await new Promise((resolve) => (reading.onsuccess = resolve));
          const run = await tenstep.resume(reading.result);
          while (!run.done) await run.step();
          return Array.from((await run.image()).image.data);
        });
        assert.deepEqual(again, undisturbed, "in a new page");
      } finally {
        await browser.close();
      }
    });
  }
});
