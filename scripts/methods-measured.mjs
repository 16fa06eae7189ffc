// Tables of what was measured on this project's own models, from docs/methods/measured: files as training.fashion.methods
// and training.evaluate.methods write them. What is not in a file is a dash.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { table } from "./markdown-table.mjs";
import { root } from "./paths.mjs";

const FOLDER = "docs/methods/measured";
/** In a model's name: its revision, which the file says. */
const REVISION = "<revision>";
/** Budgets of the tables by method, and their spacing. */
const BUDGETS = [5, 6, 8, 10, 15, 20, 50];
const SCHEDULE = "trailing";
/** What is compared over spacings and budgets, the plain method first. */
const [PLAIN, ...OTHERS] = ["ddim", "dpmpp-2m", "unipc"];
/** The row of an exact solution down to the last level, and the step that all methods end with. */
const EXACT = "exact";
const SCHEDULES = ["trailing", "karras", "exponential"];
const DOUBLED = [10, 20, 40];

/** The figures of each model: its name in tables, how they are written, and the figure of a run or undefined. */
export function readMeasured() {
  const distance = (row) => ({ value: row.distance.median, error: row.distance.standard_error });
  const frechet = (row) => ({ value: row.frechet.value, error: (row.frechet.high - row.frechet.low) / 2 });
  return {
    guided: figures("default-model-guided", `Distance, default model ${REVISION}, guided`, 3, distance),
    unguided: figures("default-model-unguided", `Distance, default model ${REVISION}, unguided`, 3, distance),
    converged: figures("default-model-frechet", `Frechet distance to converged samples, default model ${REVISION}, guided`, 2, frechet),
    fashion: figures("fashion-mnist", "Frechet distance, Fashion-MNIST", 2, frechet),
  };
}

function figures(file, name, digits, figureOf) {
  const path = join(root, FOLDER, `${file}.json`);
  const { rows, ...made } = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : { rows: [] };
  const key = (...run) => run.join(" ");
  // Fashion-MNIST has one spacing for all rows.
  const known = new Map(rows.map((row) => [key(row.solver, row.budget, row.schedule ?? made.schedule), figureOf(row)]));
  return { name: name.replace(REVISION, made.revision), digits, of: (solver, budget, schedule = SCHEDULE) => known.get(key(solver, budget, schedule)) };
}

/** Blocks by name: methods by budget for each model, and the plain method against others. */
export function measuredBlocks(solvers, measured) {
  const all = Object.entries(measured);
  return [
    ...all.map(([name, model]) => [`measured-${name}`, methodsByBudget(solvers, model)]),
    ["measured-ratios", ratios([measured.guided, measured.unguided])],
    ["measured-spacings", spacings([measured.guided, measured.unguided])],
  ];
}

function budgetsOf(solvers, models) {
  return BUDGETS.filter((budget) => models.some(({ of }) => solvers.some((solver) => of(solver, budget))));
}

/** The best of each budget is bold, and what is written alike. */
function methodsByBudget(solvers, model) {
  const budgets = budgetsOf(solvers, [model]);
  const shown = solvers.filter((solver) => budgets.some((budget) => model.of(solver, budget)));
  const written = (figure) => figure?.value.toFixed(model.digits);
  const best = budgets.map((budget) => {
    const found = shown.map((solver) => model.of(solver, budget)).filter((figure) => figure !== undefined);
    return written({ value: Math.min(...found.map(({ value }) => value)) });
  });
  const cell = (figure, column) => {
    const text = withError(figure, model);
    return written(figure) === best[column] ? `**${text}**` : text;
  };
  const cells = (solver) => budgets.map((budget, column) => cell(model.of(solver, budget), column));
  const rows = shown.map((solver) => [`\`${solver}\``, ...cells(solver)]);
  const floor = budgets.map((budget) => withError(model.of(EXACT, budget), model));
  if (budgets.some((budget) => model.of(EXACT, budget))) rows.unshift(["exact but for the last step", ...floor]);
  return table([model.name, ...budgets], rows);
}

/** One method's rows of these tables; empty where it has none. */
export function measuredOf(solver, measured) {
  const models = Object.values(measured).filter(({ of }) => BUDGETS.some((budget) => of(solver, budget)));
  if (models.length === 0) return "";
  const budgets = budgetsOf([solver], models);
  const cells = (model) => budgets.map((budget) => withError(model.of(solver, budget), model));
  const rows = models.map((model) => [model.name, ...cells(model)]);
  return table(["Measured with evaluations", ...budgets], rows);
}

/** Distances of other methods as parts of the plain method's, and how far that one stands out of its error. */
function ratios(models) {
  const part = (a, b) => (a && b ? (a.value / b.value).toFixed(2) : "–");
  const rows = models.flatMap((model) => {
    return BUDGETS.filter((budget) => model.of(PLAIN, budget)).map((budget) => {
      const plain = model.of(PLAIN, budget);
      const others = [...OTHERS, EXACT].map((solver) => part(model.of(solver, budget), plain));
      return [model.name, budget, withError(plain, model), (plain.value / plain.error).toFixed(0), ...others];
    });
  });
  const parts = [...OTHERS.map((solver) => `\`${solver}\``), "exact"].map((name) => `${name} / \`${PLAIN}\``);
  return table(["", "Evaluations", `\`${PLAIN}\``, "over its error", ...parts], rows);
}

/** What doubling the budget does with each spacing. */
function spacings(models) {
  const rowsOf = (model, schedule) => [PLAIN, ...OTHERS].map((solver) => {
    const cells = DOUBLED.map((budget) => withError(model.of(solver, budget, schedule), model));
    return [model.name, `\`${schedule}\``, `\`${solver}\``, ...cells];
  });
  const rows = models.flatMap((model) => SCHEDULES.flatMap((schedule) => rowsOf(model, schedule)));
  return table(["", "Spacing", "Method", ...DOUBLED], rows);
}

function withError(figure, { digits }) {
  return figure === undefined ? "–" : `${figure.value.toFixed(digits)} ± ${figure.error.toFixed(digits)}`;
}
