// CLIP's tokenizer in a browser, which knows by itself what Unicode says of a text: natively tables do (src/tokenizer/unicode.rs). Two
// prompts that come to the same ids make the same picture, two that do not make different ones.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { root } from "../../scripts/paths.mjs";
import { launchChromium } from "./harness/browsers.mjs";
import { MANIFEST_PATH, answerManifest, sizeOf } from "./harness/default-model.mjs";
import { openSite } from "./harness/site.mjs";

const FILES = ["merges.txt", "tokenizer_config.json", "vocab.json"];
const read = (name) => readFileSync(join(root, "tests", "goldens", "tokenizer", "clip", name), "utf8");

// Numbers stand alone, and so read the same with spaces around them; letters and other characters belong to those beside them.
const SAME = [
  ["an accent by itself, and with its letter", "cafe\u0301", "caf\u00e9"],
  ["Hangul in parts and whole", "\u1112\u1161\u11ab", "\ud55c"],
  ["upper and lower case", "ÉCLAIR ΣΟΦΌΣ", "éclair σοφόσ"],
  ["a fraction among letters", "a½b", "a ½ b"],
  ["a Roman numeral", "xⅷx", "x ⅷ x"],
  ["digits of another script", "٣٤", "٣ ٤"],
  ["a letter of another script and a sign", "д+д", "д + д"],
  ["an emoji after a letter", "я🍎", "я 🍎"],
  ["a white space that is wide", "a\u3000b", "a b"],
];
const DIFFERENT = [
  ["letters of another script, together and apart", "日本", "日 本"],
  ["a letter that modifies, with its letter and apart", "aʰ", "a ʰ"],
  ["signs, together and apart", "…¿", "… ¿"],
];

describe("CLIP's tokenizer in a browser", { timeout: 120_000 }, () => {
  let site, browser, page;
  before(async () => {
    site = await openSite();
    // The default model's networks, with the small vocabulary that the tests of the tokenizer have. The table of words has rows for it.
    answerManifest(site, (manifest) => {
      const length = manifest.components.find(({ name }) => name === "text_encoder").config.max_position_embeddings;
      const files = Object.fromEntries(FILES.map((name) => [name, read(name)]));
      const config = { ...JSON.parse(files["tokenizer_config.json"]), model_max_length: length };
      manifest.tokenizer = { ...files, "tokenizer_config.json": JSON.stringify(config) };
    });
    browser = await launchChromium({ webgpu: false });
    page = await browser.open(`${site.url}test.html`);
    await page.evaluate(async ({ manifest, size }) => {
      const tenstep = await Tenstep.load({ manifest });
      window.pixelsOf = async (prompt) => {
        const { image } = await tenstep.generate({ prompt, ...size, steps: 1, guidanceScale: 1, seed: 1 });
        return image.data.join();
      };
    }, { manifest: MANIFEST_PATH, size: sizeOf(1) });
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });

  const areSame = (a, b) => page.evaluate(async ([a, b]) => (await pixelsOf(a)) === (await pixelsOf(b)), [a, b]);
  for (const [name, a, b] of SAME) {
    it(`reads the same: ${name}`, async () => assert.ok(await areSame(a, b)));
  }
  for (const [name, a, b] of DIFFERENT) {
    it(`reads differently: ${name}`, async () => assert.ok(!(await areSame(a, b))));
  }
});
