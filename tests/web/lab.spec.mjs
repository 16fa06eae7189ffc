// The solver laboratory as a person meets it, in real Chromium on the CPU, with the model that ships.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { contrasts, namelessControls } from "./harness/page-checks.mjs";
import { visits } from "./harness/visits.mjs";

const shared = visits();

/** The laboratory with its model loaded, and what it reported that nobody should see. */
async function visit(query = "", options = {}) {
  const visited = await shared.visit(`lab.html${query}`, options);
  await visited.page.waitForSelector("#backend-report[data-backend]");
  return visited;
}

/** Chooses exactly these methods and budgets. */
async function choose(page, methods, budgets) {
  for (const box of await page.locator("#method-list input").all()) await box.setChecked(methods.includes(await box.inputValue()));
  await page.locator("#budgets").fill(budgets);
}

/** Waits for the end of a comparison, and fails with the page's own words if it shows an error instead. */
async function finished(page) {
  await page.waitForFunction(
    () => !document.querySelector("#error").hidden || /^The comparison is complete/.test(document.querySelector("#status").textContent),
    null,
    { timeout: 120_000 },
  );
  const error = page.locator("#error");
  if (await error.isVisible()) assert.fail((await error.textContent()).trim());
  await page.waitForSelector("#cancel", { state: "hidden" });
}

/** The table's cells, a row a method: state, distance and words. */
const cells = (page) =>
  page.locator("#results tbody tr").evaluateAll((rows) =>
    rows.map((row) =>
      [...row.querySelectorAll("td")].map((cell) => ({
        state: cell.dataset.state,
        distance: Number(cell.querySelector(".distance")?.textContent),
        words: cell.textContent,
        picture: cell.querySelector("canvas")?.ariaLabel,
      })),
    ),
  );
const text = (page, id) => page.locator(`#${id}`).textContent();
const width = (page) => page.evaluate(() => document.documentElement.scrollWidth);

async function downloaded(page, id) {
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator(`#${id}`).press("Enter")]);
  return { name: download.suggestedFilename(), text: await readFile(await download.path(), "utf8") };
}

test("methods and budgets become pictures, distances, a plot and files with the same numbers", async () => {
  const { page, complaints } = await visit("?prompt=a+red+apple&seed=7");
  await choose(page, ["ddim", "dpmpp-2m", "pndm"], "20, 5");
  await page.locator("#prompt").press("Enter");
  await finished(page);

  const names = (selector) => page.locator(selector).evaluateAll((all) => all.map(({ textContent }) => textContent));
  assert.deepEqual(await names("#results thead th"), ["Method", "5 evaluations", "20 evaluations"]);
  assert.deepEqual(await names("#results tbody th"), ["DPM-Solver++ 2M", "DDIM", "F-PNDM"]);
  const [multistep, ddim, pndm] = await cells(page);
  assert.deepEqual([...multistep, ...ddim].map(({ state }) => state), ["done", "done", "done", "done"]);
  assert.deepEqual(multistep.map(({ picture }) => picture), ["DPM-Solver++ 2M, 5 evaluations", "DPM-Solver++ 2M, 20 evaluations"]);
  assert.ok(multistep[1].distance < multistep[0].distance / 2, `${multistep[0].distance} falls to ${multistep[1].distance}`);
  assert.ok(multistep[1].distance < ddim[1].distance, "the second order comes closer than the first");
  assert.deepEqual(pndm.map(({ state }) => state), ["refused", "done"]);
  assert.match(pndm[0].words, /at least 13 .* not 5\.$/);
  assert.match(await text(page, "reference-caption"), /^DPM-Solver\+\+ 3M, 100 evaluations, /);

  assert.equal(await page.locator("#plot-drawing .line").count(), 2, "a line for each method with more than one point");
  assert.equal(await page.locator("#plot-drawing .marker").count(), 5);
  const shapes = await page.locator("#legend .marker").evaluateAll((marks) => marks.map((mark) => mark.getAttribute("d")));
  assert.equal(new Set(shapes).size, 3, "marks differ by shape");
  assert.match(await page.locator("#plot-drawing").getAttribute("aria-label"), /distance .* evaluations/);

  const json = await downloaded(page, "download-json");
  const csv = await downloaded(page, "download-csv");
  assert.deepEqual([json.name, csv.name], ["a-red-apple-7.json", "a-red-apple-7.csv"]);
  const { cells: saved, ...same } = JSON.parse(json.text);
  assert.deepEqual([same.prompt, same.seed, same.guidanceScale, same.backend.backend], ["a red apple", 7, Number(await page.locator("#guidance").inputValue()), "cpu"]);
  assert.ok(same.schedule && same.model.name && same.model.revision && same.backend.device);
  const [names2, ...rows] = csv.text.trimEnd().split("\r\n").map((line) => line.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/));
  const column = (name) => rows.map((row) => row[names2.indexOf(name)]);
  for (const [inCsv, inJson] of [["method", "method"], ["evaluations_asked", "evaluationsAsked"], ["evaluations_done", "evaluationsDone"], ["milliseconds", "milliseconds"], ["distance", "distance"]]) {
    assert.deepEqual(column(inCsv), saved.map((cell) => String(cell[inJson] ?? "")), inCsv);
  }
  assert.deepEqual(
    saved.map(({ distance }) => distance && Number(distance.toPrecision(3))),
    [...multistep, ...ddim, ...pndm].map(({ distance }) => distance || null),
  );
  assert.deepEqual(await page.evaluate(() => window.seen.violations), []);
  assert.deepEqual(complaints, []);
});

test("Escape cancels: what is there stays, what is not is said to be missing, and another run works", async () => {
  const { page, complaints } = await visit("?seed=7");
  await choose(page, ["ddim", "dpmpp-2m"], "1, 50");
  await page.locator("#generate").press("Enter");
  await page.waitForSelector('#results td[data-state="done"]', { timeout: 120_000 });
  assert.equal(await page.locator("#generate").getAttribute("aria-disabled"), "true");
  await page.keyboard.press("Escape");
  await page.waitForSelector("#cancel", { state: "hidden" });
  assert.equal(await text(page, "status"), "Cancelled.");
  assert.equal(await page.evaluate(() => document.activeElement.id), "generate", "the keyboard stays where it was");
  const states = (await cells(page)).flat().map(({ state }) => state);
  const done = states.indexOf("left");
  assert.ok(done >= 1, states.join());
  assert.deepEqual(states, states.map((_, index) => (index < done ? "done" : "left")));
  assert.equal(await page.locator("#error").isVisible(), false, "a cancelled comparison is no error");
  assert.equal(JSON.parse((await downloaded(page, "download-json")).text).cells.length, done);

  await choose(page, ["ddim"], "2");
  await page.locator("#generate").press("Enter");
  await page.waitForSelector("#progress[value]");
  await page.locator("#cancel").press("Enter");
  await page.waitForSelector("#cancel", { state: "hidden" });
  assert.equal(await page.evaluate(() => document.activeElement.id), "generate");
  assert.deepEqual(complaints, []);
});

test("what is amiss in the form is said beside its field, and nothing starts", async () => {
  const { page } = await visit();
  const refused = async (id, error, words) => {
    await page.locator("#generate").press("Enter");
    await page.waitForSelector("#cancel", { state: "hidden" });
    assert.match(await text(page, error), words);
    assert.equal(await page.evaluate(() => document.activeElement.id || document.activeElement.closest("[id]").id), id);
    assert.equal(await page.locator("#outcome").isVisible(), false);
  };
  for (const budgets of ["", "0", "201", "5, ten"]) {
    await page.locator("#budgets").fill(budgets);
    await refused("budgets", "budgets-error", /whole numbers from 1 to 200/);
    assert.equal(await page.locator("#budgets").getAttribute("aria-invalid"), "true");
  }
  await choose(page, [], "5");
  await refused("method-list", "methods-error", /at least one method/);
  await page.locator("#seed").fill("seven");
  await refused("seed", "seed-error", /whole number/);
});

for (const colorScheme of ["light", "dark"]) {
  test(`360 pixels wide, ${colorScheme}: only the table scrolls sideways, and text can be read`, async () => {
    const { page } = await visit("?seed=7", { viewport: { width: 360, height: 740 }, colorScheme, reducedMotion: "reduce" });
    assert.ok((await width(page)) <= 360, `${await width(page)} pixels, empty`);
    await page.locator("#prompt").fill(`a red apple ${"w".repeat(3000)}`);
    await choose(page, ["ddim", "euler-a", "pndm"], "1, 2, 3, 4");
    await page.locator("#prompt").press("Enter");
    await finished(page);
    assert.ok((await width(page)) <= 360, `${await width(page)} pixels, with results`);
    const region = page.locator("#results-region");
    assert.ok(await region.evaluate(({ scrollWidth, clientWidth }) => scrollWidth > clientWidth), "the table is wider than its region");
    await region.focus();
    await page.keyboard.press("ArrowRight");
    await page.waitForFunction(() => document.querySelector("#results-region").scrollLeft > 0);
    assert.match(await page.locator("#results tbody").textContent(), /Euler, ancestralfresh noise/);
    assert.deepEqual((await page.evaluate(contrasts)).filter(({ ratio }) => ratio < 4.5), []);
    assert.deepEqual(await page.evaluate(namelessControls), []);
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
  });
}

test("the two pages lead to each other", async () => {
  const { page } = await visit();
  await page.getByRole("link", { name: /Tenstep/ }).press("Enter");
  await page.waitForURL(shared.site.url);
  await page.getByRole("link", { name: "Compare solvers" }).press("Enter");
  await page.waitForURL(`${shared.site.url}lab.html`);
});
