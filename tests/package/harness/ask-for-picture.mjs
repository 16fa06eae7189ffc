// Presses the button of an example's page and looks at what comes.

import assert from "node:assert/strict";

/** Resolves once the page has drawn, without an error in its console or a request that failed. */
export async function askForPicture(chromium, url) {
  const page = await chromium.browser.newPage();
  const troubles = [];
  page.on("console", (message) => message.type() === "error" && troubles.push(message.text()));
  page.on("pageerror", (error) => troubles.push(String(error)));
  page.on("requestfailed", (request) => troubles.push(`${request.url()} failed`));
  page.on("response", (response) => response.status() >= 400 && troubles.push(`${response.url()}: ${response.status()}`));
  page.setDefaultTimeout(300_000);
  try {
    await page.goto(url);
    await page.click("button");
    const status = page.locator("[role=status]", { hasText: /^(Made in|Failed)/ });
    await status.waitFor();
    assert.match(await status.textContent(), /^Made in \d+ ms$/);
    await assertPicture(page.locator("canvas"));
    assert.deepEqual(troubles, []);
  } catch (error) {
    throw troubles.length > 0 ? new Error(`${error.message}\n${troubles.join("\n")}`, { cause: error }) : error;
  } finally {
    await page.close();
  }
}

/** A picture has many colours; a blank canvas has one. */
export async function assertPicture(canvas) {
  const colours = await canvas.evaluate((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(data.buffer)).size;
  });
  assert.ok(colours > 100, `${colours} colours`);
}
