// What a page can put into `generate`: bad input gets a typed error and leaves the engine usable, odd input works.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { launchChromium } from "./harness/browsers.mjs";
import { MANIFEST_PATH } from "./harness/default-model.mjs";
import { openSite } from "./harness/site.mjs";

// Written as source, since NaN and functions do not cross into the page.
const REFUSED = [
  "{ steps: 0 }", "{ steps: 1.5 }", "{ steps: NaN }", "{ steps: 1e9 }", "{ steps: -1 }", '{ steps: "ten" }',
  "{ guidanceScale: NaN }", "{ guidanceScale: Infinity }", "{ guidanceScale: -1 }", '{ guidanceScale: "4" }',
  "{ seed: -1 }", "{ seed: 2 ** 53 }", '{ seed: "seven" }', "{ seed: 0.5 }",
  "{ width: 0 }", "{ width: 63 }", "{ height: 0 }", "{ height: 63 }", "{ width: 2 ** 20, height: 2 ** 20 }", "{ width: 1e300 }",
  '{ solver: "magic" }', '{ schedule: "never" }', '{ style: "baroque" }', "{ solver: 1 }",
  "{ prompt: 5 }", "{ prompt: null }", "{ prompt: ['a'] }", "{ negativePrompt: {} }", "{ prompt: () => 'a' }",
  "{ timesteps: 5 }", "{ timesteps: [1, 2] }", "{ timesteps: ['a'] }", "{ timesteps: [900, 3], steps: 2 }",
  "{ sigmas: [1] }", "{ sigmas: [NaN, 0] }", "{ sigmas: new Array(2000).fill(1) }",
  "{ solverOptions: 5 }", "{ solverOptions: null }", "{ solverOptions: [1] }", "{ solverOptions: { magic: 1 } }",
  "{ ...{ solver: 'ddim' }, solverOptions: { order: 2 } }", "{ ...{ solver: 'ddim' }, solverOptions: { eta: 2 } }",
  "{ ...{ solver: 'ddim' }, solverOptions: { eta: () => 1 } }",
  // The default model works on latents.
  "{ ...{ solver: 'ddim' }, solverOptions: { thresholding: true } }",
  "{ ...{ solver: 'ddim' }, solverOptions: { sample_max_value: 0.5 } }",
  "{ promt: 'a' }", "{ onStep: 1 }", "{ signal: {} }", "'a fox'", "null", "{ prompt: Symbol('a') }", "{ seed: 1n }",
];
const ACCEPTED = [
  ["the empty prompt", "{}"],
  ["one step", "{ prompt: 'a', steps: 1 }"],
  ["no guidance", "{ prompt: 'a', guidanceScale: 1 }"],
  ["the largest seed", "{ seed: 2 ** 53 - 1 }"],
  ["an emoji", "{ prompt: '🍎' }"],
  ["half a surrogate pair and control characters", "{ prompt: '\\ud83c \\u0000\\n\\u200d' }", /does not know/],
  ["an option of the solver", "{ solver: 'ddim', solverOptions: { eta: 0.5, s_noise: undefined } }"],
  ["a switch of the solver", "{ solver: 'unipc', solverOptions: { corrector: false } }"],
  ["a switch for pixels, off", "{ solverOptions: { thresholding: false } }"],
  ["timesteps instead of steps", "{ steps: undefined, timesteps: [999, 500.5] }"],
  ["sigmas instead of steps", "{ steps: undefined, sigmas: [20, 2, 0] }"],
  ["options that are undefined", "{ prompt: undefined, seed: undefined, onStep: undefined, signal: undefined }"],
];

describe("input", { timeout: 120_000 }, () => {
  let site, browser, page;
  before(async () => {
    site = await openSite();
    browser = await launchChromium({ webgpu: false });
    page = await browser.open(`${site.url}test.html`);
    await page.evaluate(async (manifest) => {
      window.tenstep = await Tenstep.load({ manifest });
      window.tryOptions = async (source) => outcome(tenstep.generate({ steps: 1, ...new Function(`return (${source})`)() }));
      window.tryExactly = async (source) => outcome(tenstep.generate(new Function(`return (${source})`)()));
    }, MANIFEST_PATH);
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });
  afterEach(async () => {
    const next = await page.evaluate(async () => (await tryOptions("{ prompt: 'a red apple' }")).error ?? "fine");
    assert.equal(next, "fine", "the engine still makes pictures");
  });

  for (const source of REFUSED) {
    it(`refuses ${source}`, async () => {
      const { error } = await page.evaluate((source) => tryExactly(source), source);
      assert.equal(error?.code, "invalid-option", JSON.stringify(error));
      assert.ok(error.isTenstepError && error.hasStack);
      const option = /^\{ (\w+):/.exec(source)?.[1];
      if (option) assert.match(error.message, new RegExp(option), "the message names the option");
    });
  }

  for (const [name, source, warning] of ACCEPTED) {
    it(`accepts ${name}`, async () => {
      const { error, value } = await page.evaluate(async (source) => {
        const { error, value } = await tryOptions(source);
        return { error, value: value && facts(value) };
      }, source);
      assert.equal(error, undefined, JSON.stringify(error));
      assert.ok(value.deviation > 0);
      if (warning) assert.match(value.warnings.join(), warning);
      else assert.deepEqual(value.warnings, []);
    });
  }

  it("cuts a prompt of 10,000 characters, and says so", async () => {
    const warnings = await page.evaluate(async () => (await tryOptions("{ prompt: 'an apple and '.repeat(770) }")).value.warnings);
    assert.equal(warnings.length, 1);
    assert.match(warnings[0], /prompt/i);
  });

  it("draws a seed where none is given, and gives it back", async () => {
    const seeds = await page.evaluate(async () => {
      const first = (await tryOptions("{}")).value.seed;
      return [first, (await tryOptions("{}")).value.seed];
    });
    assert.ok(seeds.every((seed) => Number.isSafeInteger(seed) && seed >= 0));
    assert.notEqual(seeds[0], seeds[1]);
  });
});
