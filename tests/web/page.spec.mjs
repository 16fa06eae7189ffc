// The page as a person meets it: keyboard, narrow screens, screen readers, cancelling, failures. Real Chromium, the
// whole of dist/, without WebGPU unless a test says so.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { contrasts, namelessControls } from "./harness/page-checks.mjs";
import { visits } from "./harness/visits.mjs";

const MANIFEST = "/models/default/manifest.json";
/** More than a person would take: time enough to cancel. */
const MANY_STEPS = "steps=1000";

const shared = visits();
const visit = (query = "", options = {}) => shared.visit(query, options);

/** Waits for `selector`, and fails with the page's own words if it shows an error instead. */
async function comes(page, selector) {
  // Some of it lies in panels that are folded away.
  await page.waitForSelector(`${selector}, #error:not([hidden])`, { state: "attached" });
  const error = page.locator("#error");
  if (await error.isVisible()) assert.fail((await error.textContent()).trim());
}
const ready = (page) => comes(page, "#backend-report[data-backend]");
const finished = (page) => comes(page, '#picture[data-state="result"]');
const text = (page, id) => page.locator(`#${id}`).textContent();
const seen = (page) => page.evaluate(() => window.seen);
/** The result's pixels, as the page itself would read them. */
const pixels = (page) =>
  page.evaluate(async () => {
    const image = await createImageBitmap(document.querySelector("#result"));
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    return { width: image.width, height: image.height, data: Array.from(context.getImageData(0, 0, image.width, image.height).data) };
  });

test("a prompt typed with nothing but the keyboard becomes a picture that formed step by step", async () => {
  const { page, complaints } = await visit();
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.id), "prompt", "the prompt is the first stop");
  await page.keyboard.type("a red apple");
  await page.keyboard.press("Enter");
  await finished(page);

  const { states, steps, statuses } = await seen(page);
  assert.deepEqual(states.slice(-2), ["preview", "result"]);
  assert.deepEqual(steps, Array.from({ length: 10 }, (_, index) => index + 1), "each step moves the bar");
  assert.ok(statuses.some((status) => /^Making a picture in 10 steps/.test(status)), statuses.join(" | "));
  assert.match(statuses.at(-1), /^The picture is ready/);

  const { width, data } = await pixels(page);
  assert.ok(width >= 64);
  assert.ok(new Set(data).size > 8, "a picture has more than a few values");
  assert.match(await page.locator("#result").getAttribute("alt"), /^Generated picture: a red apple.*seed \d+$/);
  assert.match(await text(page, "timings"), /text .* 10 steps .* picture /);
  assert.deepEqual(complaints, []);
});

test("a solver that takes two evaluations a step says both", async () => {
  const { page } = await visit("?prompt=a+red+apple&seed=7&steps=4&solver=heun");
  await finished(page);
  assert.match(await text(page, "timings"), /4 evaluations in 3 steps/);
});

test("Shift+Enter breaks the line", async () => {
  const { page } = await visit();
  await page.locator("#prompt").fill("a red");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("apple");
  assert.equal(await page.locator("#prompt").inputValue(), "a red\napple");
  assert.equal(await page.locator("#cancel").isVisible(), false);
});

test("bytes are counted up to the total that the manifest names", async () => {
  const manifest = JSON.parse(await readFile(new URL(`../../dist${MANIFEST}`, import.meta.url), "utf8"));
  const shards = (manifest.components ?? [manifest]).filter((component) => !component.lazy).flatMap(({ shards }) => shards);
  const total = shards.reduce((sum, { bytes }) => sum + bytes, 0);
  const { page } = await visit();
  await ready(page);
  const { loads } = await seen(page);
  assert.ok(loads.every(({ max }) => max === total), `a bar of ${loads.map(({ max }) => max)} for ${total} bytes`);
  assert.equal(loads.at(-1)?.value, total);
  assert.ok(loads.every(({ value }, index) => index === 0 || value >= loads[index - 1].value), "bytes never go back");
});

test("the download is a PNG of the picture, named from prompt and seed", async () => {
  const { page } = await visit("?prompt=A+red+apple!&seed=7");
  await finished(page);
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator("#download").press("Enter")]);
  assert.equal(download.suggestedFilename(), "a-red-apple-7.png");
  const bytes = await readFile(await download.path());
  assert.deepEqual([...bytes.subarray(0, 8)], [137, 80, 78, 71, 13, 10, 26, 10]);
  const { width, height } = await pixels(page);
  assert.deepEqual([bytes.readUInt32BE(16), bytes.readUInt32BE(20)], [width, height], "the size in the PNG's header");
});

test("a link makes the same picture again, and another seed another one", async () => {
  const { page } = await visit("?prompt=a+red+apple&seed=7&steps=4&guidance=3");
  await finished(page);
  const first = await pixels(page);
  assert.equal(await page.locator("#seed").inputValue(), "7");
  assert.equal(await page.locator("#steps").inputValue(), "4");
  assert.equal(await page.locator("#guidance").inputValue(), "3");

  await page.reload();
  await finished(page);
  assert.deepEqual(await pixels(page), first);

  await page.locator("#seed").fill("8");
  await page.locator("#generate").click();
  await page.waitForFunction(() => document.querySelector("#result").alt.endsWith("seed 8"));
  assert.notDeepEqual((await pixels(page)).data, first.data);
});

test("the copied link is the picture's, whatever the form says by then", async () => {
  const { page } = await visit("?prompt=a+red+apple&seed=7&steps=2", { permissions: ["clipboard-read", "clipboard-write"] });
  await finished(page);
  const first = await pixels(page);
  await page.locator("#prompt").fill("something else");
  await page.locator("#seed").fill("8");
  await page.locator("#copy-link").press("Enter");
  await page.waitForFunction(() => document.querySelector("#copy-link").textContent === "Copied");
  await page.goto(await page.evaluate(() => navigator.clipboard.readText()));
  await finished(page);
  assert.deepEqual(await pixels(page), first);
});

test("pixels can be shown as they are", async () => {
  const { page } = await visit("?prompt=a+red+apple&seed=7&steps=1");
  await finished(page);
  const rendering = () => page.locator("#result").evaluate((image) => getComputedStyle(image).imageRendering);
  assert.equal(await rendering(), "auto");
  await page.locator("#crisp").press("Space");
  assert.equal(await rendering(), "pixelated");
});

test("a seed is drawn anew unless it is kept", async () => {
  const { page } = await visit("?prompt=a+red+apple&steps=1");
  await finished(page);
  const first = await page.locator("#seed").inputValue();
  assert.match(first, /^\d+$/);
  const again = async () => {
    const alt = await page.locator("#result").getAttribute("alt");
    await page.locator("#generate").click();
    await page.waitForFunction((before) => document.querySelector("#result").alt !== before, alt);
    return page.locator("#seed").inputValue();
  };
  const second = await again();
  assert.notEqual(second, first);
  await page.locator("#dice").click();
  const rolled = await page.locator("#seed").inputValue();
  assert.notEqual(rolled, second);
  assert.equal(await page.locator("#seed-lock").isChecked(), true);
  assert.equal(await again(), rolled);
});

test("a seed that is none is said beside its field, and nothing starts", async () => {
  const { page } = await visit();
  await ready(page);
  for (const seed of ["seven", "-1", "1.5", "9007199254740992"]) {
    await page.locator("#seed").fill(seed);
    await page.locator("#generate").click();
    assert.match(await text(page, "seed-error"), /whole number from 0 to 9007199254740991/);
    assert.equal(await page.locator("#seed").getAttribute("aria-invalid"), "true");
    assert.equal(await page.evaluate(() => document.activeElement.id), "seed");
    assert.equal(await page.locator("#picture").getAttribute("data-state"), "empty");
  }
  await page.locator("#seed").fill("9007199254740991");
  await page.locator("#generate").click();
  await finished(page);
  assert.equal(await text(page, "seed-error"), "");
});

test("Escape cancels, and the next picture comes out all the same", async () => {
  const { page, complaints } = await visit(`?prompt=a+red+apple&seed=7&${MANY_STEPS}`);
  await page.waitForSelector('#picture[data-state="preview"]');
  assert.equal(await page.locator("#generate").getAttribute("aria-disabled"), "true");
  await page.locator("#prompt").press("Enter");
  await page.locator("#generate").dispatchEvent("click");
  assert.equal(await text(page, "status"), "Making a picture in 1000 steps.", "asking again starts nothing");
  await page.keyboard.press("Escape");
  await page.waitForSelector("#cancel", { state: "hidden" });
  assert.equal(await page.locator("#picture").getAttribute("data-state"), "empty");
  assert.equal(await text(page, "status"), "Cancelled.");
  assert.equal(await page.locator("#error").isVisible(), false, "a cancelled picture is no error");

  await page.locator("#steps").fill("2");
  await page.locator("#prompt").press("Enter");
  await finished(page);
  assert.deepEqual(complaints, []);
});

test("the cancel button brings back the last picture", async () => {
  const { page } = await visit("?prompt=a+red+apple&seed=7&steps=2");
  await finished(page);
  const first = await pixels(page);
  await page.locator("#steps").evaluate((slider) => {
    slider.max = 1000;
    slider.value = 1000;
  });
  await page.locator("#generate").press("Enter");
  await page.waitForSelector('#picture[data-state="preview"]');
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.id), "cancel", "one Tab away from the button that started it");
  await page.keyboard.press("Enter");
  await finished(page);
  assert.deepEqual(await pixels(page), first);
  assert.equal(await page.locator("#outcome").isVisible(), true);
});

test("cancelling while the model loads leaves the load alone", async () => {
  const held = [];
  const manifest = await readFile(new URL(`../../dist${MANIFEST}`, import.meta.url));
  shared.site.answer(MANIFEST, (_, response) => held.push(() => response.writeHead(200, { "content-type": "application/json" }).end(manifest)));
  const { page } = await visit("?prompt=a+red+apple");
  await page.waitForSelector("#cancel");
  await page.keyboard.press("Escape");
  await page.waitForSelector("#cancel", { state: "hidden" });
  // What a person sets while waiting stays.
  await page.locator("#steps").fill("3");
  while (held.length === 0) await page.waitForTimeout(20);
  held.forEach((answer) => answer());
  await ready(page);
  assert.equal(await page.locator("#picture").getAttribute("data-state"), "empty");
  assert.equal(await page.locator("#steps").inputValue(), "3");
  await page.locator("#generate").click();
  await finished(page);
});

test("a load that fails after its picture was cancelled says so, and a retry makes no picture", async () => {
  const held = [];
  shared.site.answer(MANIFEST, (_, response) => held.push(() => response.writeHead(404).end()));
  const { page } = await visit("?prompt=a+red+apple");
  await page.waitForSelector("#cancel");
  await page.keyboard.press("Escape");
  await page.waitForSelector("#cancel", { state: "hidden" });
  while (held.length === 0) await page.waitForTimeout(20);
  held.forEach((answer) => answer());
  await page.waitForSelector("#error");
  assert.equal(await text(page, "error-code"), "fetch-failed");
  assert.equal(await page.locator("#work").isVisible(), false, "nothing pretends to go on");

  shared.site.reset();
  await page.locator("#retry").click();
  await ready(page);
  assert.equal(await page.locator("#picture").getAttribute("data-state"), "empty");
});

test("a model that cannot be had is a sentence with a way out, and a retry gets it", async () => {
  shared.site.answerStatus(MANIFEST, 404);
  const { page } = await visit("?prompt=a+red+apple&steps=2");
  await page.waitForSelector("#error");
  assert.equal(await page.locator("#error").getAttribute("role"), "alert");
  assert.match(await text(page, "error-message"), /manifest\.json.*404/);
  assert.match(await text(page, "error-advice"), /connection/i);
  assert.equal(await text(page, "error-code"), "fetch-failed");
  assert.equal(await page.locator("#work").isVisible(), false, "nothing pretends to go on");

  shared.site.reset();
  await page.locator("#retry").click();
  await finished(page);
  assert.equal(await page.locator("#error").isVisible(), false);
});

test("a page instead of a manifest is named as such", async () => {
  shared.site.answerBytes(MANIFEST, Buffer.from("<!doctype html><p>Not here."), "text/html");
  const { page } = await visit();
  await page.waitForSelector("#error");
  assert.equal(await text(page, "error-code"), "invalid-manifest");
});

test("the backend is reported with its reason, and can be forced", async () => {
  const { page } = await visit();
  await ready(page);
  const report = page.locator("#backend-report");
  assert.equal(await report.getAttribute("data-backend"), "cpu");
  assert.match(await report.textContent(), /Runs on the processor.*WebGPU/);

  await page.locator("#advanced summary").press("Enter");
  await page.locator("#backend").selectOption("webgpu");
  await page.waitForSelector("#error");
  assert.equal(await text(page, "error-code"), "webgpu-unavailable");
  assert.match(await text(page, "error-advice"), /The processor/);
  assert.equal(await page.locator("#use-cpu").isVisible(), true);

  await page.locator("#backend").selectOption("cpu");
  await page.waitForSelector("#error", { state: "hidden" });
  await page.locator("#prompt").fill("a red apple");
  await page.locator("#generate").click();
  await finished(page);
});

test("what the engine changed about a prompt is shown", async () => {
  const { page } = await visit("?steps=1");
  await page.locator("#prompt").fill("zyzzyva ".repeat(1000));
  await page.locator("#generate").click();
  await finished(page);
  assert.equal(await page.locator("#warnings").isVisible(), true);
  assert.ok((await page.locator("#warnings li").count()) >= 1);
});

for (const colorScheme of ["light", "dark"]) {
  test(`360 pixels wide, ${colorScheme}: nothing to scroll sideways, and text that can be read`, async () => {
    const { page } = await visit("?steps=2", { viewport: { width: 360, height: 740 }, colorScheme });
    await page.locator("#advanced summary").click();
    const width = () => page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok((await width()) <= 360, `${await width()} pixels, empty`);
    await page.locator("#prompt").fill(`a red apple ${"w".repeat(3000)}`);
    await page.locator("#generate").click();
    await finished(page);
    assert.ok((await width()) <= 360, `${await width()} pixels, with a picture of a long word`);
    // Colours count when they have settled: the button fades back from its busy state.
    await page.evaluate(() => Promise.allSettled(document.getAnimations().map((animation) => animation.finished)));
    const poor = (await page.evaluate(contrasts)).filter(({ ratio }) => ratio < 4.5);
    assert.deepEqual(poor, []);
  });
}

test("every control has a name, every region of news is announced, and Tab visits all in the order of the page", async () => {
  const { page } = await visit("?prompt=a+red+apple&steps=1");
  await finished(page);
  // Not by a click: that would put the keyboard there.
  await page.locator("#advanced").evaluate((details) => (details.open = true));
  assert.deepEqual(await page.evaluate(namelessControls), []);
  assert.equal(await page.locator("#status").getAttribute("aria-live"), "polite");
  assert.equal(await page.locator("html").getAttribute("lang"), "en");
  assert.equal(await page.locator("h1").count(), 1);
  const duplicates = await page.evaluate(() => {
    const ids = [...document.querySelectorAll("[id]")].map(({ id }) => id);
    return ids.filter((id, index) => ids.indexOf(id) !== index);
  });
  assert.deepEqual(duplicates, []);

  // Some browsers begin where the page last scrolled to, so go all the way round.
  const round = [];
  for (let stop = 0; stop < 80; stop++) {
    await page.keyboard.press("Tab");
    const id = await page.evaluate(() => {
      const { activeElement } = document;
      return activeElement === document.body ? null : activeElement.id || activeElement.textContent.trim();
    });
    if (id === null) continue;
    if (round.includes(id)) break;
    round.push(id);
  }
  const first = round.indexOf("prompt");
  const visited = [...round.slice(first), ...round.slice(0, first)];
  const expected = [
    ["prompt", "generate"],
    ["generate", "a red apple"],
    ["a red apple", "download"],
    ["download", "style"],
    ["style", "negative-prompt"],
    ["negative-prompt", "steps"],
    ["steps", "guidance"],
    ["guidance", "seed"],
    ["seed", "dice"],
    ["dice", "seed-lock"],
    ["seed-lock", "solver"],
    ["solver", "schedule"],
    ["schedule", "backend"],
  ];
  for (const [before, after] of expected) {
    assert.ok(visited.includes(before) && visited.indexOf(before) < visited.indexOf(after), `${before} before ${after}: ${visited}`);
  }
});

test("whoever asks for less motion gets none", async () => {
  const { page } = await visit("?prompt=a+red+apple&steps=2", { reducedMotion: "reduce" });
  await finished(page);
  assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
});

test("the content security policy holds, and nothing the page does meets it", async () => {
  const { page } = await visit("?prompt=a+red+apple&steps=2");
  await finished(page);
  assert.deepEqual((await seen(page)).violations, []);
  const attempts = await page.evaluate(async () => {
    const script = document.createElement("script");
    script.textContent = "window.injected = true";
    document.body.append(script);
    // As text, and later: the debugger's own calls may evaluate whatever the policy says.
    setTimeout("window.evaluated = true");
    const fetched = await fetch("http://127.0.0.1:9/").then(() => "went out", (error) => error.name);
    await new Promise((later) => setTimeout(later, 50));
    return { injected: window.injected, evaluated: window.evaluated, fetched };
  });
  assert.deepEqual(attempts, { injected: undefined, evaluated: undefined, fetched: "TypeError" });
  assert.equal((await seen(page)).violations.length, 3, "each attempt was refused by the policy");
});

test("the page asks its own server only", async () => {
  const { page } = await visit();
  const others = [];
  page.context().on("request", (request) => {
    if (!request.url().startsWith(shared.site.url) && !request.url().startsWith("blob:")) others.push(request.url());
  });
  await page.goto(`${shared.site.url}?prompt=a+red+apple&steps=2`);
  await finished(page);
  assert.deepEqual(others, []);
});
