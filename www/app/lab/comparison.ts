// A comparison as plain data: what was asked, and what came of each method and budget.

import type { BackendReport, ModelInfo } from "tenstep";
import type { CommonSettings } from "../settings.js";

export interface Comparison {
  settings: CommonSettings;
  methods: string[];
  /** Rising. */
  budgets: number[];
  model: Pick<ModelInfo, "name" | "revision">;
  backend: Pick<BackendReport, "backend" | "device">;
  reference: { method: string; evaluations: number };
  /** In the order they were finished. */
  cells: Cell[];
}

/** What a method made of a budget. */
export interface Cell {
  method: string;
  evaluationsAsked: number;
  /** 0 where the method refused. */
  evaluationsDone: number;
  /** Text, evaluations and picture; `null` where the method refused. */
  milliseconds: number | null;
  /** Root mean square distance of the latents to the converged ones; `null` where the method refused. */
  distance: number | null;
  /** The error's sentence where the method refused, else "". */
  error: string;
}
