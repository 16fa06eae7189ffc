// The figures of docs/methods, as the command `tenstep` gives them: orders, costs, options, timesteps; and what was
// measured on this project's models, from docs/methods/measured.
// `node scripts/methods-docs.mjs` rewrites them; `--check` fails where they differ; `--tenstep PATH` takes a built command.

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { answer, asProgram, say } from "./command.mjs";
import { table } from "./markdown-table.mjs";
import { measuredBlocks, measuredOf, readMeasured } from "./methods-measured.mjs";
import { root } from "./paths.mjs";
import { findRust } from "./setup/rust.mjs";

const FOLDER = "docs/methods";
const DISTILLED = "distilled.md";
const BLOCK = /(<!-- figures: (\S+) -->\n)[^]*?(<!-- end -->)/g;
const COUNTS = ["No evaluation", "One evaluation", "Two evaluations", "Three evaluations", "Four evaluations"];
/** More than the start of any method takes, and no whole number of steps of any. */
const BUDGET = 20;
/** Columns of timesteps in the table of spacings. */
const SHOWN = 5;

/** Rewrites the blocks of all pages, or only compares them. Gives the pages whose blocks were not what they should be. */
export function writeFigures(tenstep, { check }) {
  const { solvers, schedules } = tenstep(["solvers", "--json"]);
  const pages = readPages();
  const known = (solver) => ({ page: pageOf(solver.name, pages), determinism: determinism(solver, tenstep) });
  const methods = solvers.map((solver) => ({ ...solver, ...known(solver) }));
  const measured = readMeasured();
  const blocks = new Map(methods.map((method) => [method.name, methodBlock(method, measured)]));
  const compared = methods.filter(({ page }) => page.file !== DISTILLED).map(({ name }) => name);
  for (const [name, block] of measuredBlocks(compared, measured)) blocks.set(name, block);
  blocks.set("methods", methodsTable(methods));
  blocks.set("spacings", spacingsTable(schedules, tenstep));
  const stale = pages.filter(({ file, text }) => filled(file, text, blocks) !== text);
  if (!check) for (const { file, text } of stale) writeFileSync(join(root, file), filled(file, text, blocks));
  return stale.map(({ file }) => file);
}

function readPages() {
  const files = readdirSync(join(root, FOLDER)).filter((file) => file.endsWith(".md"));
  return files.map((file) => ({ file: `${FOLDER}/${file}`, text: readFileSync(join(root, FOLDER, file), "utf8") }));
}

function filled(file, text, blocks) {
  return text.replace(BLOCK, (_, begin, name, end) => {
    if (!blocks.has(name)) throw new Error(`${file}: there are no figures called ${name}`);
    return `${begin}${blocks.get(name)}\n${end}`;
  });
}

/** The page that describes a method: its name and title. */
function pageOf(name, pages) {
  const found = pages.filter(({ text }) => text.includes(`<!-- figures: ${name} -->`));
  if (found.length !== 1) throw new Error(`${FOLDER}: ${found.length} pages describe ${name}, not one`);
  const [{ file, text }] = found;
  if (!text.includes(`\n### ${name}\n`)) throw new Error(`${file}: no section is called ${name}`);
  return { file: file.slice(FOLDER.length + 1), title: /^# (.*)$/m.exec(text)[1] };
}

/** Options whose default a checkpoint may set. */
const FROM_CHECKPOINT = ["solver_type", "final_sigmas"];

/** Whether two runs with one seed's first noise end alike, and what would change that. */
function determinism(solver, tenstep) {
  if (solver.adaptive) return "yes";
  const drawsNoise = (...options) => {
    const { steps } = tenstep(["plan", "--solver", solver.name, "--steps", `${BUDGET}`, ...options, "--json"]);
    return steps.some((step) => step.update.some((term) => term.of === "noise"));
  };
  const has = (name) => solver.options.some((option) => option.name === name);
  if (drawsNoise()) return has("eta") && !drawsNoise("--option", "eta=0") ? "with `eta` 0" : "no";
  if (has("eta")) return "unless `eta` > 0";
  return has("s_churn") ? "unless `s_churn` > 0" : "yes";
}

function methodsTable(methods) {
  const rows = methods.map(({ name, aliases, page, order, measuredOrder, evaluationsPerStep, determinism }) => [
    `[\`${name}\`](${page.file}#${name})`, quoted(aliases), `[${page.title}](${page.file})`, order, rounded(measuredOrder),
    evaluationsPerStep, determinism,
  ]);
  return table(["Name", "Also called", "Page", "Order", "Measured", "Evaluations a step", "Deterministic"], rows);
}

function methodBlock(method, measured) {
  const { aliases, order, measuredOrder, evaluationsPerStep, determinism, options } = method;
  const facts = [
    aliases.length > 0 ? `Also called ${quoted(aliases)}.` : "",
    `Built for order ${order}, ${measuredOrder === null ? "not measured" : `measured ${rounded(measuredOrder)}`}.`,
    `${COUNTS[evaluationsPerStep]} a step.`,
    `Deterministic: ${determinism}.`,
  ];
  const sentences = facts.filter((fact) => fact !== "").join("\n");
  const rows = options.map((option) => [`\`${option.name}\``, ...acceptedAndDefault(option)]);
  const accepted = rows.length > 0 ? table(["Option", "Accepts", "Default"], rows) : "It has no options of its own.";
  return [sentences, accepted, measuredPart(method, measured)].join("\n\n");
}

/** A method's rows of the tables by budget, and why there are none where there are none. */
function measuredPart({ name, page, adaptive, determinism }, measured) {
  // The models are not distilled, so figures of such methods would mislead.
  if (page.file === DISTILLED) return "Not measured: neither of our models is distilled.";
  if (adaptive) return "Not in the tables by budget: it chooses how often it evaluates.";
  const rows = measuredOf(name, measured);
  if (determinism === "yes" || determinism.startsWith("unless")) return rows;
  return `${rows}\n\nIts noise leads to another sample, so it has no distance to the converged solution.`.trim();
}

function acceptedAndDefault({ name, whole, number, words, switch: either }) {
  if (whole) return [`a whole number, ${whole.least} to ${whole.most}`, whole.default];
  if (number) return [`a number, ${plain(number.least)} to ${plain(number.most)}`, plain(number.default)];
  if (words) return [quoted(words), `${FROM_CHECKPOINT.includes(name) ? "the checkpoint's, else " : ""}\`${words[0]}\``];
  return ["`true`, `false`", either.default === null ? "the checkpoint's" : `\`${either.default}\``];
}

function spacingsTable(schedules, tenstep) {
  const grid = (solver, schedule) => {
    const { steps } = tenstep(["plan", "--solver", solver, "--schedule", schedule, "--steps", `${SHOWN}`, "--json"]);
    return {
      timesteps: steps.map(({ timestep }) => (Number.isInteger(timestep) ? timestep : timestep.toFixed(1))).join(", "),
      sigmas: steps.map(({ alpha, sigma }) => (sigma / alpha).toFixed(2)).join(", "),
    };
  };
  const rows = schedules.flatMap((schedule) => {
    const [one, other] = ["ddim", "dpmpp-2m"].map((solver) => grid(solver, schedule));
    if (one.timesteps === other.timesteps) return [[`\`${schedule}\``, one.timesteps, one.sigmas]];
    return [
      [`\`${schedule}\` of \`ddim\``, one.timesteps, one.sigmas],
      [`\`${schedule}\` of \`dpmpp-2m\``, other.timesteps, other.sigmas],
    ];
  });
  return table(["Spacing", "Timesteps", "`sigma / alpha`"], rows);
}

function quoted(words) {
  return words.map((word) => `\`${word}\``).join(", ");
}

/** Two digits are the same on every machine. */
function rounded(order) {
  return order === null ? "–" : order.toFixed(2);
}

function plain(number) {
  return number >= 1e6 ? number.toExponential().replace("+", "") : `${number}`;
}

/** What `tenstep` answers to arguments, from the program at `path` or by cargo. */
function commandAt(path) {
  return (args) => {
    const said = path === undefined
      ? answer("cargo", ["run", "--locked", "--quiet", "--", ...args], { env: findRust().env })
      : answer(path, args);
    if (said === null) throw new Error(`${path ?? "cargo run --"} ${args.join(" ")} failed`);
    return JSON.parse(said);
  };
}

await asProgram(import.meta.url, () => {
  const { values } = parseArgs({ options: { check: { type: "boolean", default: false }, tenstep: { type: "string" } } });
  const stale = writeFigures(commandAt(values.tenstep), values);
  if (!values.check) return say(stale.length > 0 ? `Written: ${stale.join(", ")}.` : `${FOLDER}: nothing changed.`);
  if (stale.length > 0) {
    const how = "`node scripts/methods-docs.mjs` writes them.";
    throw new Error(`The figures are not what tenstep gives, in ${stale.join(", ")}. ${how}`);
  }
});
