// Every method through the package in a browser: both backends end at the same latents, within the budget.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { launchChromium } from "./harness/browsers.mjs";
import { MANIFEST_PATH, sizeOf } from "./harness/default-model.mjs";
import { openSite } from "./harness/site.mjs";

/** Small and without guidance: a software GPU is slow. */
const PICTURE = { prompt: "a red apple", seed: 3, ...sizeOf(2), guidanceScale: 1 };
const BUDGET = 4;
/** Methods that start with more evaluations. */
const LARGER = { pndm: 13 };
/** f32 sums in another order, carried through every evaluation. */
const RELATIVE = 1e-3;

describe("methods", { timeout: 900_000 }, () => {
  let site, browser, page, solvers;
  before(async () => {
    site = await openSite();
    browser = await launchChromium({ webgpu: true });
    page = await browser.open(`${site.url}test.html`);
    solvers = await page.evaluate(async (manifest) => {
      window.engines = [await Tenstep.load({ manifest, backend: "cpu" }), await Tenstep.load({ manifest, backend: "webgpu" })];
      window.ends = (options) => Promise.all(engines.map(async (tenstep) => {
        const run = await tenstep.start(options);
        while (!run.done) await run.step();
        const latents = Array.from(await run.latents());
        await run.dispose();
        return { latents, evaluations: run.stepsDone, steps: run.steps, solverSteps: run.solverSteps };
      }));
      return engines[0].model.solvers;
    }, MANIFEST_PATH);
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });

  async function compare(name, options, budget) {
    const [cpu, webgpu] = await page.evaluate((options) => ends(options), { ...PICTURE, ...options, steps: budget });
    const error = relativeError(webgpu.latents, cpu.latents);
    assert.ok(error <= RELATIVE, `${name}: the backends differ by ${error}`);
    for (const { evaluations, steps, solverSteps } of [cpu, webgpu]) {
      assert.ok(evaluations >= 1 && evaluations <= budget, `${name}: ${evaluations} evaluations`);
      assert.ok(steps === evaluations && solverSteps >= 1 && solverSteps <= evaluations, `${name}: ${solverSteps} of ${steps}`);
    }
    return error;
  }

  it("all end alike on the CPU and on WebGPU", async () => {
    const errors = [];
    for (const solver of solvers) errors.push([solver, await compare(solver, { solver }, LARGER[solver] ?? BUDGET)]);
    const [name, largest] = errors.reduce((worst, one) => (one[1] > worst[1] ? one : worst));
    console.log(`${errors.length} methods: at most ${largest.toExponential(1)} (${name}) between the backends`);
    assert.ok(errors.length >= 38);
  });

  it("guidance does too, within an interval and rescaled", async () => {
    const guided = { guidanceScale: 5, guidanceRescale: 0.7, guidanceInterval: [0.3, 20] };
    await compare("guidance", guided, BUDGET);
    const [[plain], [bounded]] = await page.evaluate(async (options) => {
      const of = async (more) => ends({ ...options, ...more, steps: 4 });
      return [await of({ guidanceScale: 5 }), await of({ guidanceScale: 5, guidanceRescale: 0.7, guidanceInterval: [0.3, 20] })];
    }, PICTURE);
    assert.ok(relativeError(bounded.latents, plain.latents) > 0.01, "the options change the picture");
  });
});

function relativeError(actual, expected) {
  assert.equal(actual.length, expected.length);
  const norm = (values) => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  assert.ok(actual.every(Number.isFinite));
  return norm(actual.map((value, at) => value - expected[at])) / norm(expected);
}
