// The laboratory's form: which methods, which budgets, and what of.

import type { ModelInfo } from "tenstep";
import * as fields from "../common-form.js";
import { labelOf } from "../labels.js";
import type { Link } from "../link.js";
import { budgetsFromText, MAX_BUDGET } from "./budgets.js";
import type { Comparison } from "./comparison.js";
import { elements } from "./elements.js";
import { drawsNoise, inOrder, isCommon } from "./methods.js";

const { methodList, methodsError, budgets, budgetsError } = elements;

elements.methods.addEventListener("change", () => (methodsError.textContent = ""));
budgets.addEventListener("input", () => showBudgetsError(false));

/** Offers what the model offers. Methods that a person chose stay chosen, where they exist. */
export function offerModel(info: ModelInfo, link: Link): void {
  fields.offerModel(info, link);
  const chosen = new Map(boxes().map(({ value, checked }) => [value, checked]));
  methodList.replaceChildren(
    ...inOrder(info.solvers).map((method) => methodItem(method, chosen.get(method) ?? isCommon(method))),
  );
}

/** What the form asks for, or `null` if something is amiss; its field then shows what, and has the focus. */
export function readForm(): Pick<Comparison, "settings" | "methods" | "budgets"> | null {
  const methods = boxes().filter(({ checked }) => checked);
  const wanted = budgetsFromText(budgets.value);
  const settings = fields.readFields(true);
  methodsError.textContent = methods.length === 0 ? "Choose at least one method." : "";
  showBudgetsError(wanted === null);
  if (settings && wanted && methods.length > 0) {
    return { settings, methods: methods.map(({ value }) => value), budgets: wanted };
  }
  if (settings) (methods.length === 0 ? boxes()[0] : budgets)?.focus();
  return null;
}

function boxes(): HTMLInputElement[] {
  return [...methodList.querySelectorAll("input")];
}

function methodItem(method: string, checked: boolean): HTMLLIElement {
  const box = Object.assign(document.createElement("input"), { type: "checkbox", value: method, checked });
  const label = document.createElement("label");
  label.className = "check";
  label.append(box, `${labelOf(method)}${drawsNoise(method) ? " (fresh noise)" : ""}`);
  const item = document.createElement("li");
  item.append(label);
  return item;
}

function showBudgetsError(wrong: boolean): void {
  budgets.setAttribute("aria-invalid", String(wrong));
  budgetsError.textContent = wrong ? `Budgets are whole numbers from 1 to ${MAX_BUDGET}, with commas between them.` : "";
}
