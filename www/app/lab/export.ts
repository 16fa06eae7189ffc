// A comparison as a file: one row a cell as CSV (RFC 4180), the same as JSON.

import type { Comparison } from "./comparison.js";

export function csvFromComparison(comparison: Comparison): string {
  const { settings, model, backend, reference, cells } = comparison;
  const same = {
    prompt: settings.prompt,
    style: settings.style,
    seed: settings.seed,
    guidance: settings.guidanceScale,
    schedule: settings.schedule,
    model: model.name,
    revision: model.revision,
    backend: backend.backend,
    device: backend.device,
    reference_method: reference.method,
    reference_evaluations: reference.evaluations,
  };
  const names = [...Object.keys(same), "method", "evaluations_asked", "evaluations_done", "milliseconds", "distance", "error"];
  const rows = cells.map((cell) => [
    ...Object.values(same),
    cell.method,
    cell.evaluationsAsked,
    cell.evaluationsDone,
    cell.milliseconds ?? "",
    cell.distance ?? "",
    cell.error,
  ]);
  return [names, ...rows].map((row) => `${row.map(field).join(",")}\r\n`).join("");
}

export function jsonFromComparison({ settings, model, backend, reference, cells }: Comparison): string {
  return `${JSON.stringify({ ...settings, model, backend, reference, cells }, null, 2)}\n`;
}

function field(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
