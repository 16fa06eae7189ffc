// How time and memory grow with the work. `node benches/growth.mjs [--json | --write]`, after `cargo build --release`.
// One of latent size, batch, parameters and steps grows, all else stays as it is for the default model. `--write` puts figures and
// plot into docs/performance-growth.md; a machine that does other things meanwhile spoils them.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { asProgram } from "../scripts/command.mjs";
import { table } from "../scripts/markdown-table.mjs";
import { root } from "../scripts/paths.mjs";
import { growthPlot } from "./growth-plot.mjs";
import { growthExponent, least } from "./statistics.mjs";

const PROGRAM = join(root, "target", "release", "tenstep");
const MANIFEST = join(root, "www", "models", "default", "manifest.json");
const PAGE = join(root, "docs", "performance-growth.md");
const PLOT = "pictures/growth.svg";
const MARKS = ["<!-- measured -->", "<!-- end of what is measured -->"];

/** The default model, guided, at its own size. */
const AS_SHIPPED = { latents: 16, batch: 2, widths: 1 };
const TOKENS = 16;
const LATENTS = [8, 16, 24, 32];
const BATCHES = [1, 2, 4, 8];
/** Factors of the UNet's block_out_channels, which norms of 32 groups divide. */
const WIDTHS = [0.5, 1, 1.5, 2];
const STEPS = [5, 10, 20, 40, 80];
const PICTURES = 3;

/** Series of points `{ x, millis, arenaBytes?, weightBytes?, gflop? }`, where `x` is what grows. */
function measure() {
  const folder = mkdtempSync(join(tmpdir(), "tenstep-growth-"));
  const unets = (changes, x) => changes.map((change) => ({ ...change, ...evaluation(folder, { ...AS_SHIPPED, ...change }) })).map((point) => ({ x: x(point), ...point }));
  try {
    return [
      { name: "Latent size", what: "latents", points: unets(LATENTS.map((latents) => ({ latents })), ({ latents }) => latents ** 2) },
      { name: "Batch", what: "samples", points: unets(BATCHES.map((batch) => ({ batch })), ({ batch }) => batch) },
      { name: "Parameters", what: "million parameters", points: unets(WIDTHS.map((widths) => ({ widths })), ({ parameters }) => parameters / 1e6) },
      { name: "Steps", what: "evaluations", points: STEPS.map((steps) => ({ x: steps, millis: pictureMillis(folder, steps) })) },
    ].map((series) => ({ ...series, exponents: exponents(series.points) }));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** One evaluation of a UNet with made-up weights: its time on the processor; its memory as planned for a GPU, for which any Vulkan driver does. */
function evaluation(folder, { latents, batch, widths }) {
  const { config } = JSON.parse(readFileSync(MANIFEST, "utf8")).components.find(({ name }) => name === "unet");
  const file = join(folder, "unet.json");
  writeFileSync(file, JSON.stringify({ ...config, block_out_channels: config.block_out_channels.map((channels) => widths * channels) }));
  const given = ["bench", "--config", file, "--latents", `${latents}`, "--batch", `${batch}`, "--tokens", `${TOKENS}`, "--json"];
  const [timed] = JSON.parse(tenstep([...given, "--backend", "cpu"]).stdout).networks;
  const [{ counted }] = JSON.parse(tenstep([...given, "--backend", "webgpu", "--dtype", "int8", "--evaluations", "1"]).stdout).networks;
  const { arenaBytes, weightBytes } = counted;
  return { parameters: timed.parameters, gflop: timed.flops / 1e9, millis: timed.times.leastMillis, arenaBytes, weightBytes };
}

/** A whole picture on the processor: text, steps and decoder. */
function pictureMillis(folder, steps) {
  const given = ["generate", "a red apple", "--seed", "1", "--steps", `${steps}`, "--backend", "cpu", "--output", join(folder, "picture.png")];
  const millis = () => [...tenstep(given).stderr.matchAll(/(\d+) ms/g)].reduce((sum, [, part]) => sum + Number(part), 0);
  return least(Array.from({ length: PICTURES }, millis));
}

function tenstep(given) {
  const done = spawnSync(PROGRAM, given, { encoding: "utf8", maxBuffer: 1 << 28 });
  if (done.status !== 0) throw new Error(`${PROGRAM} ${given.join(" ")}: ${done.error?.message ?? done.stderr}`);
  return done;
}

const GROWING = { millis: "time", arenaBytes: "arena", weightBytes: "weights" };

function exponents(points) {
  const keys = Object.keys(GROWING).filter((key) => key in points[0]);
  return Object.fromEntries(keys.map((key) => [key, growthExponent(points.map((point) => [point.x, point[key]]))]));
}

function section({ name, what, points, exponents }) {
  const megabytes = (bytes) => (bytes / 1e6).toFixed(bytes < 1e7 ? 2 : 0);
  const columns = [
    [what, ({ x, latents }) => (latents ? `${latents} x ${latents}` : x < 100 && !Number.isInteger(x) ? x.toFixed(1) : `${x}`)],
    ["gflop" in points[0] && "GFLOP", ({ gflop }) => gflop.toFixed(2)],
    ["ms", ({ millis }) => millis.toFixed(millis < 100 ? 1 : 0)],
    ["arenaBytes" in points[0] && "arena, MB", ({ arenaBytes }) => megabytes(arenaBytes)],
    ["weightBytes" in points[0] && "weights, MB", ({ weightBytes }) => megabytes(weightBytes)],
  ].filter(([head]) => head);
  const rows = points.map((point) => columns.map(([, cell]) => cell(point)));
  const fitted = Object.entries(exponents).map(([key, exponent]) => `${GROWING[key]} ${exponent.toFixed(2)}`);
  return `### ${name}\n\n${table(columns.map(([head]) => head), rows)}\n\nExponents: ${fitted.join(", ")}.`;
}

await asProgram(import.meta.url, async () => {
  const [mode] = process.argv.slice(2);
  const report = { processor: cpus()[0].model, processors: cpus().length, series: measure() };
  if (mode === "--json") return console.log(JSON.stringify(report, null, 2));
  const text = `${report.processor}, ${report.processors} processors.\n\n${report.series.map(section).join("\n\n")}`;
  if (mode !== "--write") return console.log(text);
  const [before, rest] = readFileSync(PAGE, "utf8").split(MARKS[0]);
  const after = rest.split(MARKS[1])[1];
  writeFileSync(PAGE, `${before}${MARKS[0]}\n\n${text}\n\n${MARKS[1]}${after}`);
  writeFileSync(join(root, "docs", PLOT), growthPlot(report.series));
});
