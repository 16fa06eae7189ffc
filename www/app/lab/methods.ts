// What is known of the methods besides their names.

/** Those chosen to start with, where the model offers them. */
const COMMON = ["ddim", "dpmpp-2m", "unipc", "heun"];
const NOISY = new Set(["ddpm", "sa-solver", "lcm", "tcd", "consistency"]);

export function isCommon(method: string): boolean {
  return COMMON.includes(method);
}

/** Whether a method draws fresh noise on its way. What it makes is then another picture than the converged one. */
export function drawsNoise(method: string): boolean {
  return NOISY.has(method) || /-(a|sde)$/.test(method);
}

/** The order in which to offer methods: those chosen first, then the others, those that draw noise last. */
export function inOrder(methods: readonly string[]): string[] {
  const rank = (method: string) => (isCommon(method) ? 0 : drawsNoise(method) ? 2 : 1);
  return [...methods].sort((a, b) => rank(a) - rank(b));
}

/** What the distances are taken to: DPM-Solver++ 3M, with so many evaluations that more would change little. */
export const REFERENCE_METHOD = "dpmpp-3m";

/** Evaluations of the reference: 100, and twice the largest budget where that is more. */
export function referenceEvaluations(budgets: readonly number[]): number {
  return Math.max(100, 2 * Math.max(...budgets));
}
