// Which values a setting may have, wherever they come from: an address, a file, a field.

import type { Settings } from "./settings.js";

const isText = (value: unknown) => typeof value === "string" && value.length <= 20_000;
const isNumber = (value: unknown): value is number => typeof value === "number";

const checks: Record<keyof Settings, (value: unknown) => boolean> = {
  prompt: isText,
  negativePrompt: isText,
  style: isText,
  solver: isText,
  schedule: isText,
  steps: (value) => isNumber(value) && Number.isInteger(value) && value >= 1 && value <= 1000,
  guidanceScale: (value) => isNumber(value) && value >= 0 && value <= 100,
  seed: (value) => isNumber(value) && Number.isSafeInteger(value) && value >= 0,
};

/** Those of `values` that are settings and could be asked for; what is missing or out of range is left out. */
export function checkedSettings(values: object): Partial<Settings> {
  const given = new Map(Object.entries(values));
  return Object.fromEntries(
    Object.entries(checks)
      .filter(([name, isAccepted]) => isAccepted(given.get(name)))
      .map(([name]) => [name, given.get(name)]),
  );
}
