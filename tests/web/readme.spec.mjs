// What README.md shows works as it stands there.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, it, test } from "node:test";
import { launchChromium } from "./harness/browsers.mjs";
import { openSite } from "./harness/site.mjs";

const root = new URL("../../", import.meta.url);
const readme = await readFile(new URL("README.md", root), "utf8");

describe("the examples draw a picture", { timeout: 300_000 }, () => {
  let site, chromium;
  before(async () => {
    site = await openSite();
    chromium = await launchChromium({ webgpu: false });
  });
  after(async () => {
    await chromium?.close();
    await site?.close();
  });

  it("of the API, on the page's canvas", async () => {
    const example = /^```js\n(.*?)^```$/ms.exec(readme)?.[1];
    assert.match(example ?? "", /Tenstep\.load/);
    assert.ok(example.trim().split("\n").length <= 12, "it is short");
    await draws(`<!doctype html><link rel="icon" href="data:,"><canvas></canvas>
      <script type="importmap">{ "imports": { "tenstep": "/tenstep/index.js" } }</script>
      <script type="module">${example}; window.isReady = true;</script>`);
  });

  it("of a page without a bundler", async () => {
    const page = /^```html\n(.*?)^```$/ms.exec(readme)?.[1];
    assert.match(page ?? "", /<script type="module">/);
    await draws(page.replace("</script>", "window.isReady = true;</script>"));
  });

  async function draws(html) {
    site.answerBytes("/example.html", Buffer.from(html), "text/html");
    const page = await chromium.open(`${site.url}example.html`);
    const values = await page.evaluate(() => {
      const canvas = document.querySelector("canvas");
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      return new Set(data).size;
    });
    await page.close();
    assert.ok(values > 8, `a picture has more than ${values} different values`);
  }
});

test("the commands of npm that it names exist", async () => {
  const { scripts } = JSON.parse(await readFile(new URL("package.json", root), "utf8"));
  const named = [...readme.matchAll(/npm (?:run )?(start|test|build|docs)\b/g)].map((match) => match[1]);
  assert.ok(named.includes("start") && named.includes("test"));
  assert.deepEqual(named.filter((name) => !(name in scripts)), []);
});
