// A run that loses its device, or is saved and taken up elsewhere, ends in the picture that it would have ended in.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { crashGpuProcess, launchChromium } from "./harness/browsers.mjs";
import { MANIFEST_PATH, sizeOf } from "./harness/default-model.mjs";
import { openSite } from "./harness/site.mjs";

const STEPS = 10;
const PICTURE = { prompt: "a red apple", seed: 7, steps: STEPS, ...sizeOf(2) };

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
  // Shaders on a processor in disguise take most of a second even for a small step.
  for (const [backend, least] of [["cpu", {}], ["webgpu", { ...sizeOf(1), guidanceScale: 1 }]]) {
    it(`on ${backend}: saved at each of ${STEPS} steps and taken up in a new worker and in a new page, the picture is the same`, async () => {
      const browser = await launchChromium({ webgpu: backend === "webgpu" });
      try {
        const picture = { ...PICTURE, ...least };
        const page = await browser.open(`${site.url}test.html`);
        await load(page, backend);
        const undisturbed = await pixels(page, picture);
        // Through the browser's database, as a page would keep them.
        await page.evaluate(async (options) => {
          const run = await tenstep.start(options);
          const saves = [await run.save()];
          while (!run.done) {
            await run.step();
            saves.push(await run.save());
          }
          await tenstep.dispose();
          const opening = indexedDB.open("saves");
          opening.onupgradeneeded = () => opening.result.createObjectStore("runs");
          await new Promise((resolve) => (opening.onsuccess = resolve));
          const writing = opening.result.transaction("runs", "readwrite");
          writing.objectStore("runs").put(saves, "all");
          await new Promise((resolve) => (writing.oncomplete = resolve));
          opening.result.close();
        }, picture);
        for (const place of ["a new worker", "a new page"]) {
          if (place === "a new page") {
            await page.reload();
            await page.waitForFunction(() => window.isReady);
          }
          await load(page, backend);
          await page.evaluate(async () => {
            const opening = indexedDB.open("saves");
            await new Promise((resolve) => (opening.onsuccess = resolve));
            const reading = opening.result.transaction("runs").objectStore("runs").get("all");
            await new Promise((resolve) => (reading.onsuccess = resolve));
            window.saves = reading.result;
            /** The state one step on, or at the end the picture. */
            window.next = async (step) => {
              const run = await tenstep.resume(saves[step]);
              if (!run.done) await run.step();
              const next = step < saves.length - 1 ? await run.save() : Array.from((await run.image()).image.data);
              await run.dispose();
              return next;
            };
          });
          // A state is all that the rest of a run depends on: where the next one is the same, so is the end.
          for (let step = 0; step < STEPS; step++) {
            const [following, wanted] = await page.evaluate(async (step) => {
              const plain = (saved) => ({ ...saved, state: { ...saved.state, values: Array.from(saved.state.values) } });
              return [plain(await next(step)), plain(saves[step + 1])];
            }, step);
            assert.equal(following.state.evaluations, step + 1);
            assert.deepEqual(following, wanted, `in ${place}, from step ${step}`);
          }
          assert.deepEqual(await page.evaluate((step) => next(step), STEPS), undisturbed, `in ${place}, at the end`);
        }
      } finally {
        await browser.close();
      }
    });
  }
});
