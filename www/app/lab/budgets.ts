// Budgets: how many network evaluations a method may take.

/** The largest budget that the page takes. */
export const MAX_BUDGET = 200;

/** The budgets that a text such as `5, 8, 10` lists, each once and in rising order; `null` if it lists something else. */
export function budgetsFromText(text: string): number[] | null {
  const words = text.split(/[\s,;]+/).filter((word) => word !== "");
  const budgets = words.map((word) => (/^\d+$/.test(word) ? Number(word) : NaN));
  const areBudgets = budgets.length > 0 && budgets.every((budget) => budget >= 1 && budget <= MAX_BUDGET);
  return areBudgets ? [...new Set(budgets)].sort((a, b) => a - b) : null;
}
