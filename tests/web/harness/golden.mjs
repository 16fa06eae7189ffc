// What PyTorch makes of the default model, from the noise of a seed: tests/goldens/default.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../../scripts/paths.mjs";

const FOLDER = join(root, "tests", "goldens", "default");

/** Options of a one-step picture, its noise, and its latents after the step. */
export function readGolden() {
  const { prompt, guidanceScale, schedule, seed } = JSON.parse(readFileSync(join(FOLDER, "recipe.json"), "utf8"));
  const options = { prompt, guidanceScale, schedule, seed, steps: 1, solver: "dpmpp-2m" };
  return { options, noise: floats("seed_noise"), latents: floats("seed_latents") };
}

export function relativeError(actual, expected) {
  const norm = (values) => Math.hypot(...values);
  return norm(actual.map((value, at) => value - expected[at])) / norm(expected);
}

function floats(name) {
  const bytes = readFileSync(join(FOLDER, `${name}.f32`));
  return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readFloatLE(4 * at));
}
