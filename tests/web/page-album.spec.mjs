// The page's album as a person uses it: pictures kept from visit to visit, variations, comparison, settings out of files, and the
// panels behind the picture. A fake engine makes the pictures: this is about the page.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { answerWithFakes } from "./fake/site.mjs";
import { axeFindings } from "./harness/axe.mjs";
import { visits } from "./harness/visits.mjs";

const shared = visits();

/** The page with a model in it, or on its way to one. */
async function visit(query = "", options = {}) {
  answerWithFakes(shared.site, "/models/default");
  const visited = await shared.visit(query, options);
  visited.page.setDefaultTimeout(60_000);
  return visited;
}
const active = (page) => page.evaluate(() => document.activeElement.id || document.activeElement.getAttribute("aria-label"));
const text = (page, id) => page.locator(`#${id}`).textContent();
const alts = (page, list = "album") => page.locator(`#${list} img`).evaluateAll((images) => images.map(({ alt }) => alt));
const idle = (page) => page.waitForSelector("#cancel", { state: "hidden" });

/** Makes a picture with the keyboard, and waits until it is in the album. */
async function make(page, prompt, seed, steps = 2) {
  await page.locator("#steps").fill(String(steps));
  await page.locator("#prompt").fill(prompt);
  await page.locator("#seed").fill(String(seed));
  await page.locator("#prompt").press("Enter");
  await page.waitForSelector(`#album li:first-child img[alt="Generated picture: ${prompt}, seed ${seed}"]`);
  await idle(page);
}
async function download(page) {
  const [file] = await Promise.all([page.waitForEvent("download"), page.locator("#download").press("Enter")]);
  return { name: file.suggestedFilename(), buffer: await readFile(await file.path()), mimeType: "image/png" };
}

test("pictures are kept, newest first, and are there again after a reload, to open, delete and clear", async () => {
  const { page, complaints } = await visit();
  assert.equal(await page.locator("#album-empty").isVisible(), true);
  await make(page, "one", 1);
  await make(page, "two", 2, 3);
  await make(page, "three", 3);
  const all = ["three, seed 3", "two, seed 2", "one, seed 1"].map((name) => `Generated picture: ${name}`);
  assert.deepEqual(await alts(page), all);

  await page.goto(shared.site.url);
  await page.waitForSelector("#album li:nth-child(3)");
  assert.deepEqual(await alts(page), all);
  assert.equal(await page.locator("#picture").getAttribute("data-state"), "empty");
  await page.locator("#album li:nth-child(2) .stamp").press("Enter");
  await page.waitForSelector('#picture[data-state="result"]');
  assert.equal(await page.locator("#result").getAttribute("alt"), all[1]);
  assert.match(await text(page, "timings"), /3 steps/);
  assert.equal(await page.locator("#prompt").inputValue(), "", "what a person was writing is left alone");
  await page.locator("#reuse").press("Enter");
  assert.deepEqual(
    await page.evaluate(() => ["prompt", "seed", "steps"].map((id) => document.getElementById(id).value)),
    ["two", "2", "3"],
  );

  await page.locator("#album li:nth-child(2) .delete").press("Enter");
  await page.waitForFunction(() => document.querySelectorAll("#album li").length === 2);
  assert.match(await active(page), /^Delete “one”/, "the keyboard goes on to the next");
  await page.reload();
  await page.waitForSelector("#album li:nth-child(2)");
  assert.deepEqual(await alts(page), [all[0], all[2]]);

  await page.locator("#clear-album").press("Enter");
  assert.match(await text(page, "confirm-question"), /Delete all 2 pictures/);
  assert.equal(await active(page), "confirm-no", "the safe answer has the focus");
  await page.keyboard.press("Escape");
  assert.equal((await alts(page)).length, 2);
  await page.locator("#clear-album").press("Enter");
  await page.locator("#confirm-yes").press("Enter");
  await page.waitForSelector("#album-empty");
  assert.equal(await active(page), "album-title");
  await page.reload();
  await page.waitForSelector("#backend-report[data-backend]", { state: "attached" });
  assert.equal(await page.locator("#album-empty").isVisible(), true);
  assert.deepEqual(complaints, []);
});

test("the album keeps the newest 200, and shows the rest when asked", async () => {
  const { page } = await visit();
  await make(page, "seed of many", 1);
  // As if they had been made: the same record again and again.
  await page.evaluate(async () => {
    const done = (request) => new Promise((resolve, reject) => Object.assign(request, { onsuccess: () => resolve(request.result), onerror: reject }));
    const database = await done(indexedDB.open("tenstep-album"));
    const pictures = database.transaction("pictures", "readwrite").objectStore("pictures");
    const [{ id, ...entry }] = await done(pictures.getAll());
    for (let copy = 0; copy < 204; copy++) pictures.add(entry);
    await done(pictures.count());
    database.close();
  });
  await page.reload();
  await page.waitForSelector("#album-more");
  assert.equal((await alts(page)).length, 24);
  await make(page, "the newest", 2);
  await page.locator("#album-more").press("Enter");
  await page.waitForFunction(() => document.querySelectorAll("#album li").length === 200);
  await page.reload();
  await page.waitForSelector("#album li");
  assert.equal(await text(page, "album-more"), "Show all 200");
  assert.equal((await alts(page))[0], "Generated picture: the newest, seed 2");
});

test("where the browser keeps nothing, the pictures last as long as the page, and the page says so", async () => {
  const { page } = await visit();
  await page.addInitScript(() => Object.defineProperty(window, "indexedDB", { value: { open: () => { throw new DOMException("no", "SecurityError"); } } }));
  await page.reload();
  await make(page, "one", 1);
  await make(page, "two", 2);
  assert.equal((await alts(page)).length, 2);
  assert.match(await text(page, "album-help"), /keeps no more/);
  await page.locator("#album li:first-child .delete").click();
  await page.waitForFunction(() => document.querySelectorAll("#album li").length === 1);
});

test("a full disk costs no picture, and what was kept before can still be deleted", async () => {
  const { page } = await visit();
  await make(page, "kept", 1);
  await page.evaluate(() => {
    IDBObjectStore.prototype.add = () => {
      throw new DOMException("full", "QuotaExceededError");
    };
  });
  await make(page, "not kept", 2);
  assert.deepEqual(await alts(page), ["not kept, seed 2", "kept, seed 1"].map((name) => `Generated picture: ${name}`));
  assert.match(await text(page, "album-help"), /Download what you want to keep/);
  await page.locator("#album li:nth-child(2) .delete").click();
  await page.waitForFunction(() => document.querySelectorAll("#album li").length === 1);
  await page.reload();
  await page.waitForSelector("#backend-report[data-backend]", { state: "attached" });
  assert.deepEqual(await alts(page), []);
});

test("four variations have the next seeds and all else the same, and each can be opened", async () => {
  const { page } = await visit("?seed=9007199254740989&prompt=a+star&steps=2&solver=ddim");
  await page.waitForSelector('#picture[data-state="result"]');
  await idle(page);
  await page.locator("#prompt").fill("something else");
  await page.locator("#vary").press("Enter");
  await page.waitForSelector("#variation-list li:nth-child(4)");
  await idle(page);
  // Seeds go round after the largest.
  const seeds = ["9007199254740990", "9007199254740991", "0", "1"];
  assert.deepEqual(await alts(page, "variation-list"), seeds.map((seed) => `Generated picture: a star, seed ${seed}`));
  assert.equal((await alts(page)).length, 5, "they are in the album as well");
  await page.locator("#variation-list li:nth-child(2) .stamp").press("Enter");
  await page.waitForFunction(() => document.querySelector("#result").alt.endsWith("9007199254740991"));
});

test("variations that failed are tried again of the same picture", async () => {
  const { page } = await visit();
  await make(page, "a star", 5);
  await page.evaluate(() => {
    const { toBlob } = HTMLCanvasElement.prototype;
    let left = 1;
    HTMLCanvasElement.prototype.toBlob = function (receive) {
      if (left-- > 0) return toBlob.call(this, receive);
      HTMLCanvasElement.prototype.toBlob = toBlob;
      receive(null);
    };
  });
  await page.locator("#vary").press("Enter");
  await page.waitForSelector("#error");
  assert.deepEqual(await alts(page, "variation-list"), ["Generated picture: a star, seed 6"]);
  await page.locator("#retry").press("Enter");
  await page.waitForSelector("#variation-list li:nth-child(4)");
  assert.deepEqual(await alts(page, "variation-list"), [6, 7, 8, 9].map((seed) => `Generated picture: a star, seed ${seed}`));
});

test("the keyboard keeps a place when the button that has it goes away", async () => {
  const { page } = await visit();
  await make(page, "a star", 5);
  await page.locator("#vary").press("Enter");
  assert.equal(await active(page), "generate");
  await idle(page);

  await page.locator("#prompt").fill("fake: endless");
  await page.locator("#generate").press("Enter");
  await page.keyboard.press("Tab");
  assert.equal(await active(page), "cancel", "one Tab away");
  await page.keyboard.press("Escape");
  await idle(page);
  assert.equal(await active(page), "prompt");
});

test("Escape ends the variations between two steps, and those that are there stay", async () => {
  const { page } = await visit("?seed=5&prompt=a+star&steps=100");
  await page.waitForSelector('#picture[data-state="result"]');
  await idle(page);
  await page.locator("#vary").press("Enter");
  await page.waitForSelector("#variation-list li:nth-child(1)", { state: "attached" });
  await page.keyboard.press("Escape");
  await idle(page);
  assert.equal(await text(page, "status"), "Cancelled.");
  const made = await alts(page, "variation-list");
  assert.ok(made.length >= 1 && made.length < 4, `${made.length} of 4`);
  assert.equal((await alts(page)).length, 1 + made.length);
  assert.equal(await page.locator("#picture").getAttribute("data-state"), "result");
});

test("while a picture is made, opening another and pressing an example say to wait", async () => {
  const { page } = await visit();
  await make(page, "one", 1);
  await page.locator("#steps").evaluate((slider) => Object.assign(slider, { max: 1000, value: 1000 }));
  await page.locator("#prompt").press("Enter");
  await page.waitForSelector('#picture[data-state="preview"]');
  await page.locator("#album .stamp").press("Enter");
  assert.match(await text(page, "note"), /is being made.* to open another/);
  await page.locator("#examples button").first().press("Enter");
  assert.match(await text(page, "note"), /is being made.* to make another/);
  assert.equal(await page.locator("#prompt").inputValue(), "one", "what a person was writing is left alone");
  await page.keyboard.press("Escape");
  await idle(page);
});

test("what was said of one picture does not stay beside another", async () => {
  const { page } = await visit();
  await make(page, "one", 1);
  await make(page, "fake: device lost once", 2, 4);
  assert.match(await text(page, "warnings"), /The GPU was reset after 2 steps/);
  await page.locator("#album li:nth-child(2) .stamp").press("Enter");
  await page.waitForSelector("#warnings", { state: "hidden" });
  assert.match(await page.locator("#result").getAttribute("alt"), /: one/);
});

test("a picture that the browser has lost leaves the one on show as it is", async () => {
  const { page } = await visit();
  await make(page, "lost", 1);
  await make(page, "a star", 2);
  await page.evaluate(async () => {
    const done = (request) => new Promise((resolve, reject) => Object.assign(request, { onsuccess: () => resolve(request.result), onerror: reject }));
    const database = await done(indexedDB.open("tenstep-album"));
    const pictures = database.transaction("pictures", "readwrite").objectStore("pictures");
    const [lost] = await done(pictures.getAll());
    await done(pictures.put({ ...lost, png: new Blob(["lost"], { type: "image/png" }) }));
    database.close();
  });
  await page.reload();
  await page.waitForSelector("#album li:nth-child(2)");
  await page.locator("#album li:nth-child(1) .stamp").press("Enter");
  await page.waitForSelector('#picture[data-state="result"]');
  await page.locator("#album li:nth-child(2) .stamp").press("Enter");
  await page.waitForSelector("#note");
  assert.match(await text(page, "note"), /has lost this picture/);
  assert.equal(await page.locator("#result").getAttribute("alt"), "Generated picture: a star, seed 2");
  assert.ok(await page.locator("#result").evaluate((image) => image.complete && image.naturalWidth > 0), "no broken image");
  assert.match(await text(page, "caption"), /^a star/);
  assert.equal((await download(page)).buffer.toString("latin1", 1, 4), "PNG");
});

test("of two pictures that are opened at once the second is shown, and none is called lost", async () => {
  const { page } = await visit();
  await make(page, "one", 1);
  await make(page, "two", 2);
  await make(page, "three", 3);
  await page.locator("#album .stamp").evaluateAll((stamps) => stamps.slice(1).forEach((stamp) => stamp.click()));
  await page.waitForFunction(() => document.querySelector("#status").textContent.startsWith("On show"));
  assert.match(await text(page, "status"), /: one, seed 1/);
  assert.equal(await page.locator("#result").getAttribute("alt"), "Generated picture: one, seed 1");
  assert.equal(await text(page, "note"), "");
});

test("two pictures stand side by side, with what differs named", async () => {
  const { page } = await visit();
  await make(page, "a star", 1);
  await make(page, "a moon", 1, 3);
  await page.locator("#album li:nth-child(2) .compare").press("Enter");
  const rows = await page.locator("#differences tbody tr").evaluateAll((all) => all.map((row) => [...row.cells].map((cell) => cell.textContent)));
  assert.deepEqual(rows, [["Prompt", "a moon", "a star"], ["Steps", "3", "2"]]);
  assert.deepEqual(await page.locator("#comparison img").evaluateAll((images) => images.map(({ alt }) => alt)), [
    "Generated picture: a moon, seed 1", "Generated picture: a star, seed 1",
  ]);
  assert.deepEqual((await axeFindings(page)).lines, []);
  await page.keyboard.press("Escape");
  assert.equal(await page.locator("#comparison").isVisible(), false);
  assert.match(await active(page), /^Compare “a star”/, "the keyboard is back where it was");
  await page.locator("#album li:nth-child(1) .compare").press("Enter");
  assert.match(await text(page, "comparison-summary"), /same settings/);
});

test("a downloaded picture gives its settings back, chosen or dropped", async () => {
  const { page } = await visit("?prompt=%F0%9F%8D%8E+red&negative=blue&seed=7&steps=3&guidance=2.7&solver=ddim&schedule=trailing&style=flat");
  await page.waitForSelector('#picture[data-state="result"]');
  await idle(page);
  const file = await download(page);
  const fields = () =>
    page.evaluate(() => ["prompt", "negative-prompt", "seed", "steps", "guidance", "solver", "schedule", "style"].map((id) => document.getElementById(id).value));
  const wanted = ["🍎 red", "blue", "7", "3", "2.7", "ddim", "trailing", "flat"];

  await page.goto(shared.site.url);
  await page.waitForSelector("#backend-report[data-backend]", { state: "attached" });
  await page.locator("#import").setInputFiles(file);
  await page.waitForSelector("#note");
  assert.match(await text(page, "note"), /settings of “🍎 red”, seed 7 are in the form/);
  assert.deepEqual(await fields(), wanted);
  assert.equal(await active(page), "generate", "Enter makes it again");
  await page.keyboard.press("Enter");
  await page.waitForSelector('#picture[data-state="result"]');
  assert.equal(await page.locator("#result").getAttribute("alt"), "Generated picture: 🍎 red, flat style, seed 7");

  await page.goto(shared.site.url);
  const bytes = [...file.buffer];
  const data = await page.evaluateHandle((content) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([new Uint8Array(content)], "dropped.png", { type: "image/png" }));
    return transfer;
  }, bytes);
  await page.dispatchEvent("body", "dragover", { dataTransfer: data });
  assert.equal(await page.locator("#drop-zone").isVisible(), true);
  await page.dispatchEvent("body", "drop", { dataTransfer: data });
  assert.equal(await page.locator("#drop-zone").isVisible(), false);
  await page.waitForSelector("#note");
  await page.waitForFunction(() => document.getElementById("solver").options.length > 0);
  assert.deepEqual(await fields(), wanted, "also where the model came later than the file");
});

test("a file without settings, a damaged one and another kind are told apart", async () => {
  const { page } = await visit("?prompt=a+star&steps=1");
  await page.waitForSelector('#picture[data-state="result"]');
  await idle(page);
  const { buffer } = await download(page);
  const cut = buffer.subarray(0, buffer.length - 20);
  const bare = Buffer.concat([buffer.subarray(0, 33), buffer.subarray(buffer.indexOf("IDAT") - 4)]);
  for (const [name, content, message] of [
    ["cut.png", cut, /cut\.png.*cut short/],
    ["bare.png", bare, /bare\.png.*carries no settings/],
    ["words.png", Buffer.from("words"), /words\.png.*not a PNG/],
    ["huge.png", Buffer.concat([buffer, Buffer.alloc(17 * 2 ** 20)]), /huge\.png.*at most 16 MiB/],
  ]) {
    await page.locator("#import").setInputFiles({ name, mimeType: "image/png", buffer: content });
    await page.waitForFunction((file) => document.querySelector("#note").textContent.includes(file), name);
    assert.match(await text(page, "note"), message);
    assert.equal(await page.locator("#prompt").inputValue(), "a star", "the form is left alone");
  }
});

test("what the model does not have is said when a file asks for it", async () => {
  const { page } = await visit("?prompt=a+star&steps=1&solver=ddim");
  await page.waitForSelector('#picture[data-state="result"]');
  await idle(page);
  await page.evaluate(() => document.querySelector("#solver").querySelector('[value="ddim"]').remove());
  await page.locator("#import").setInputFiles(await download(page));
  await page.waitForSelector("#note");
  assert.match(await text(page, "note"), /does not have its solver DDIM/);
});

test("what is happening: each phase of loading with its time, and a bar an evaluation", async () => {
  const { page } = await visit("?prompt=a+star&steps=5");
  await page.waitForSelector('#picture[data-state="result"]');
  await idle(page);
  await page.locator("#happening summary").press("Enter");
  const loading = await page.locator("#load-phases").innerText();
  assert.match(loading, /Engine\s+[\d.]+ m?s\s+Model\s+300 kB, [\d.]+ m?s\s+Pipelines\s+[\d.]+ m?s/);
  await page.waitForSelector("#evaluations li");
  assert.deepEqual(await page.locator("#evaluations li").allTextContents(), ["1: 2 ms", "2: 2 ms", "3: 2 ms", "4: 2 ms", "5: 2 ms"]);
  assert.match(await text(page, "evaluations-caption"), /5 of 5, the longest 2 ms/);
  assert.match(await page.locator("#picture-phases").innerText(), /Text\s+0 ms\s+5 evaluations\s+10 ms\s+Picture from latents\s+0 ms\s+In all/);
  assert.equal(await page.locator("#strip .done").count(), 5);
});

test("this device: what runs, on what, and why", async () => {
  const { page } = await visit();
  await page.waitForSelector("#backend-report[data-backend]", { state: "attached" });
  await page.locator("#device summary").press("Enter");
  assert.match(await text(page, "backend-report"), /^Runs on the processor .*WebGPU/);
  assert.match(await page.locator("#device-facts").innerText(), /Engine\s+processor\s+Device\s+CPU with SIMD/);
  await page.waitForFunction(() => /GFLOP|measured/.test(document.getElementById("device-summary").textContent));
});

test("storage: what is kept is listed with its bytes, and only what is ours is cleared", async () => {
  const { page } = await visit();
  await make(page, "a star", 1);
  await page.evaluate(async () => (await caches.open("somebody-else")).put("/x", new Response("x")));
  await page.locator("#storage summary").press("Enter");
  await page.waitForSelector("#storage-facts dt");
  const facts = await page.locator("#storage-facts").innerText();
  assert.match(facts, /Album\s+1 picture, \d+ kB\s+Model fake\s+300 kB/);
  assert.match(await text(page, "storage-summary"), /The browser allows .*\. It may clear them/);
  await page.locator("#clear-storage").press("Enter");
  await page.locator("#confirm-no").press("Enter");
  const files = () => page.evaluate(async () => {
    const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("tenstep-v1");
    return (await Array.fromAsync(folder.keys())).length;
  });
  assert.equal(await files(), 4, "three shards, and the manifest with its record");
  await page.waitForSelector('#offline-status[data-state="ready"]');
  await page.locator("#clear-storage").press("Enter");
  await page.locator("#confirm-yes").press("Enter");
  await page.waitForSelector("#clear-storage", { state: "hidden" });
  assert.equal(await files(), 0);
  assert.match(await text(page, "offline-status"), /has not kept its model/);
  assert.ok(await page.evaluate(() => caches.has("somebody-else")));
  assert.equal((await alts(page)).length, 1, "the album stays");
});

test("an error of the GPU has a button that makes the picture without it", async () => {
  const { page } = await visit("?prompt=a+star&steps=2&backend=webgpu");
  await page.waitForSelector("#error");
  assert.equal(await text(page, "error-code"), "webgpu-unavailable");
  await page.locator("#use-cpu").press("Enter");
  await page.waitForSelector('#picture[data-state="result"]');
  assert.equal(await page.locator("#backend").inputValue(), "cpu");
  assert.equal(await page.locator("#error").isVisible(), false);
});

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing, ${colorScheme}: empty, with pictures and panels open, asking, and with an error`, async () => {
    const { page } = await visit("", { viewport: { width: 320, height: 640 }, colorScheme, reducedMotion: "reduce" });
    const fits = async (state) => {
      const width = await page.evaluate(() => document.documentElement.scrollWidth);
      assert.ok(width <= 320, `${state}: ${width} pixels`);
      const { lines, rules } = await axeFindings(page);
      assert.deepEqual(lines, [], state);
      assert.ok(rules > 10, `${rules} rules had something to look at`);
    };
    await page.waitForSelector("#backend-report[data-backend]", { state: "attached" });
    await page.waitForSelector("#work", { state: "hidden" });
    await fits("empty");
    await make(page, "a star", 1);
    await page.locator("#vary").click();
    await page.waitForSelector("#variation-list li:nth-child(4)");
    await idle(page);
    await page.locator("details").evaluateAll((all) => all.forEach((details) => (details.open = true)));
    await page.waitForSelector("#storage-facts dt");
    await fits("with pictures");
    await page.locator("#clear-album").click();
    await fits("asking");
    await page.keyboard.press("Escape");
    await page.locator("#backend").selectOption("webgpu");
    await page.waitForSelector("#error");
    await fits("with an error");
  });
}

test("axe finds nothing in the laboratory", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const { page } = await visit("lab.html", { viewport: { width: 1024, height: 768 }, colorScheme });
    await page.waitForSelector("#backend-report[data-backend]", { state: "attached" });
    await page.waitForSelector("#work", { state: "hidden" });
    assert.deepEqual((await axeFindings(page)).lines, [], colorScheme);
  }
});
