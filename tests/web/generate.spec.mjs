// Pictures from the default model: both backends, both browsers, one result.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { launchChromium, launchFirefox } from "./harness/browsers.mjs";
import { sizeOf } from "./harness/default-model.mjs";
import { readGolden, relativeError } from "./harness/golden.mjs";
import { openSite } from "./harness/site.mjs";

const PICTURE = { prompt: "a red apple", seed: 7, steps: 2 };
/** Quick on a software GPU, and a second size for the engine. */
const SMALL = { ...PICTURE, ...sizeOf(2) };
/** On the 0 to 255 scale. Both measure rounding of f32 sums in another order, carried through two steps. */
const MEAN_DIFFERENCE = 1;
const LARGEST_DIFFERENCE = 16;

/** f32 sums in another order than PyTorch's. */
const PARITY = 1e-4;
const golden = readGolden();

const places = [
  { name: "Chromium, CPU chosen by itself", launch: () => launchChromium({ webgpu: true }), backend: "cpu", reason: /software/ },
  { name: "Chromium, WebGPU on SwiftShader", launch: () => launchChromium({ webgpu: true }), forced: "webgpu", backend: "webgpu", reason: /asked for/ },
  { name: "Firefox, CPU chosen by itself", launch: () => launchFirefox({ webgpu: false }), backend: "cpu", reason: /no WebGPU/ },
  { name: "Firefox, WebGPU on lavapipe", launch: () => launchFirefox({ webgpu: true }), forced: "webgpu", backend: "webgpu", reason: /asked for/ },
];

let site;
let reference = null;
before(async () => (site = await openSite()));
after(() => site.close());

for (const { name, launch, forced, backend, reason } of places) {
  describe(name, { timeout: 600_000 }, () => {
    let browser, page;
    before(async () => {
      browser = await launch();
      page = await browser.open(`${site.url}test.html`);
    });
    after(() => browser?.close());

    it("loads the default model and says what runs", async () => {
      const loaded = await page.evaluate(async (backend) => {
        window.tenstep = await Tenstep.load({ manifest: "/models/default/manifest.json", ...(backend && { backend }) });
        return { backend: tenstep.backend, model: tenstep.model };
      }, forced ?? null);
      assert.equal(loaded.backend.backend, backend);
      assert.match(loaded.backend.reason, reason);
      assert.ok(loaded.model.parameters > 0 && loaded.model.parameters <= 11_000_000);
    });

    it("makes a picture that is not blank, step by step, and times it", async () => {
      const { steps, previews, ...picture } = await page.evaluate(async (options) => {
        const seen = { steps: [], previews: 0 };
        const onStep = ({ step, preview }) => {
          seen.steps.push(step);
          if (preview && preview.width > 0) seen.previews++;
        };
        return { ...facts(await tenstep.generate({ ...options, onStep })), ...seen };
      }, PICTURE);
      assert.deepEqual(steps, [1, 2]);
      assert.ok(previews > 0, "a preview arrived");
      assert.ok(picture.deviation > 5, `deviation of ${picture.deviation} grey levels`);
      assert.equal(picture.data.length, 4 * picture.width * picture.height);
      assert.equal(picture.seed, 7);
      assert.deepEqual(picture.warnings, []);
      const { text, steps: stepMillis, decode, total } = picture.timings;
      assert.equal(stepMillis.length, 2);
      const sum = text + decode + stepMillis.reduce((a, b) => a + b, 0);
      assert.ok(text >= 0 && decode > 0 && stepMillis.every((millis) => millis >= 0) && sum <= total * 1.01, `${sum} of ${total} ms`);
      reference ??= picture;
      const { mean, largest } = difference(picture.data, reference.data);
      console.log(`${name}: differs from the first by ${mean.toFixed(3)} on average, ${largest} at most; ${Math.round(total)} ms`);
      assert.ok(mean <= MEAN_DIFFERENCE && largest <= LARGEST_DIFFERENCE, `mean ${mean}, largest ${largest}`);
    });

    it("gives the same picture for the same seed, and another for another", async () => {
      const [once, again, other] = await page.evaluate(async (options) => {
        const pictures = [options, options, { ...options, seed: 8 }].map((options) => () => tenstep.generate(options));
        return [facts(await pictures[0]()).data, facts(await pictures[1]()).data, facts(await pictures[2]()).data];
      }, SMALL);
      assert.equal(difference(once, again).largest, 0);
      assert.ok(difference(once, other).mean > 1);
    });

    it("makes two pictures asked for at once, each as if alone", async () => {
      const [together, alone] = await page.evaluate(async (options) => {
        const other = { ...options, seed: 8 };
        const together = await Promise.all([tenstep.generate(options), tenstep.generate(other)]);
        const alone = [await tenstep.generate(options), await tenstep.generate(other)];
        return [together, alone].map((pictures) => pictures.flatMap((picture) => facts(picture).data));
      }, SMALL);
      assert.equal(difference(together, alone).largest, 0);
    });

    it("makes the same picture by the step API", async () => {
      const [whole, stepped, early] = await page.evaluate(async (options) => {
        const whole = facts(await tenstep.generate(options));
        const run = await tenstep.start(options);
        await run.step();
        const early = (await run.image()).image;
        while (!run.done) await run.step();
        const { image } = await run.image();
        await run.dispose();
        return [whole.data, Array.from(image.data), Array.from(early.data)];
      }, SMALL);
      assert.equal(difference(whole, stepped).largest, 0);
      assert.ok(difference(whole, early).mean > 1);
    });

    it("draws the noise, and evaluates the network, as PyTorch does", async () => {
      const { noise, latents } = await page.evaluate(async (options) => {
        const run = await tenstep.start(options);
        const noise = Array.from(await run.latents());
        await run.step();
        const latents = Array.from(await run.latents());
        await run.dispose();
        return { noise, latents };
      }, golden.options);
      assert.ok(noise.every((value, at) => Math.abs(value - golden.noise[at]) <= 1e-6), "noise");
      assert.equal(noise.length, golden.noise.length);
      const error = relativeError(latents, golden.latents);
      console.log(`${name}: latents after a guided evaluation differ by ${error.toExponential(1)}`);
      assert.ok(error <= PARITY, `relative error ${error}`);
    });

    it("is aborted during a picture, and makes the next", async () => {
      const seen = await page.evaluate(async (options) => {
        const abort = new AbortController();
        const aborted = await outcome(tenstep.generate({ ...options, steps: 50, signal: abort.signal, onStep: () => abort.abort() }));
        const next = await outcome(tenstep.generate({ ...options, steps: 1 }));
        return [aborted.error.name, Boolean(next.value)];
      }, SMALL);
      assert.deepEqual(seen, ["AbortError", true]);
    });
  });
}

/** Of what is seen: colours count as far as they are opaque, since a transparent pixel's colour is any colour. */
function difference(a, b) {
  assert.equal(a.length, b.length);
  const seen = (data) => data.map((value, at) => (at % 4 === 3 ? value : (value * data[at - (at % 4) + 3]) / 255));
  const [seenA, seenB] = [seen(a), seen(b)];
  const differences = seenA.map((value, at) => Math.abs(value - seenB[at]));
  return { mean: differences.reduce((sum, value) => sum + value, 0) / a.length, largest: Math.max(...differences) };
}
