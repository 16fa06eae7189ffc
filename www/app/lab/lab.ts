// The solver laboratory: methods against budgets, measured by the distance to the converged solution.

import type { Tenstep } from "tenstep";
import { followLink } from "../common-form.js";
import { durationText } from "../duration.js";
import { fileName } from "../file-name.js";
import { labelOf } from "../labels.js";
import { linkFromQuery } from "../link.js";
import { showProgress } from "../progress.js";
import { announce, showWarnings } from "../status.js";
import { connectWork } from "../work.js";
import type { Cell, Comparison } from "./comparison.js";
import { rmsDistance } from "./distance.js";
import { download } from "./download.js";
import { elements } from "./elements.js";
import { csvFromComparison, jsonFromComparison } from "./export.js";
import { offerModel, readForm } from "./form.js";
import { measure, type Measured } from "./measure.js";
import { REFERENCE_METHOD, referenceEvaluations } from "./methods.js";
import { showPlot } from "./plot.js";
import { cellAt, evaluationsText, giveUpWaiting, showEmptyTable, showPicture, showRefusal, showWorking } from "./results.js";
import { thumbnail } from "./thumbnail.js";

/** Errors that are one method's at one budget; any other ends the comparison. */
const REFUSALS = new Set(["invalid-option", "unsupported-config", "not-finite"]);

const link = linkFromQuery(location.search);

/** What is on show, and what the downloads hold. */
let shown: Comparison | undefined;

followLink(link);
const { prepare } = connectWork({
  offerModel: (info) => offerModel(info, link),
  run: compare,
  undo: giveUpWaiting,
  home: elements.generate,
  setBusy: (busy) => elements.outcome.setAttribute("aria-busy", String(busy)),
});
elements.downloadCsv.addEventListener("click", () => save("csv", "text/csv", csvFromComparison));
elements.downloadJson.addEventListener("click", () => save("json", "application/json", jsonFromComparison));

void prepare();

/** Makes the converged solution, then a picture for each method and budget. */
async function compare(tenstep: Tenstep, signal: AbortSignal): Promise<void> {
  const asked = readForm();
  if (!asked) return;
  const { name, revision } = tenstep.model;
  const { backend, device } = tenstep.backend;
  const reference = { method: REFERENCE_METHOD, evaluations: referenceEvaluations(asked.budgets) };
  const comparison: Comparison = { ...asked, model: { name, revision }, backend: { backend, device }, reference, cells: [] };
  const { methods, budgets, cells } = comparison;
  begin(comparison);

  const perMethod = budgets.reduce((sum, budget) => sum + budget, 0);
  const all = reference.evaluations + methods.length * perMethod;
  let before = 0;
  const make = (method: string, evaluations: number, subject: string) =>
    measure(tenstep, { ...asked.settings, solver: method, steps: evaluations }, signal, (done, ofThese) => {
      showProgress(`${subject}: ${done} of ${ofThese}`, before + done, all);
    });

  const converged = await make(reference.method, reference.evaluations, "Converged solution");
  before += reference.evaluations;
  showReference(comparison, converged);
  showWarnings(converged.warnings);

  for (const [row, method] of methods.entries()) {
    for (const [column, budget] of budgets.entries()) {
      const cell = cellAt(row, column);
      showWorking(cell);
      try {
        const measured = await make(method, budget, `${labelOf(method)}, ${evaluationsText(budget)}`);
        const facts = factsFrom(method, budget, measured, rmsDistance(measured.latents, converged.latents));
        cells.push(facts);
        showPicture(cell, measured.image, facts);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        showRefusal(cell, error);
        cells.push({ method, evaluationsAsked: budget, evaluationsDone: 0, milliseconds: null, distance: null, error: error.message });
      }
      before += budget;
      elements.exports.hidden = false;
      showPlot(comparison);
    }
  }
  announce(`The comparison is complete: ${cells.length} cells.`);
}

function begin(comparison: Comparison): void {
  const { methods, budgets } = comparison;
  shown = comparison;
  elements.outcome.hidden = false;
  elements.exports.hidden = true;
  elements.referencePicture.replaceChildren();
  elements.referenceCaption.textContent = "At work on it…";
  showEmptyTable(comparison);
  showPlot(comparison);
  announce(`Comparing ${methods.length} methods, each with ${budgets.length} budgets.`);
  showProgress("Reading the prompt…");
  elements.work.scrollIntoView({ block: "nearest" });
}

function showReference({ reference }: Comparison, { image, milliseconds }: Measured): void {
  elements.referencePicture.replaceChildren(thumbnail(image, "The converged solution"));
  elements.referenceCaption.textContent =
    `${labelOf(reference.method)}, ${evaluationsText(reference.evaluations)}, ${durationText(milliseconds)}.`;
}

function factsFrom(method: string, budget: number, { evaluations, milliseconds }: Measured, distance: number) {
  return { method, evaluationsAsked: budget, evaluationsDone: evaluations, milliseconds, distance, error: "" } satisfies Cell;
}

function isRefusal(error: unknown): error is Error & { code: string } {
  return error instanceof Error && "code" in error && REFUSALS.has(String(error.code));
}

function save(extension: string, type: string, text: (comparison: Comparison) => string): void {
  if (shown) download(fileName(shown.settings, extension), type, text(shown));
}
