// The table of results: a row a method, a column a budget.

import { durationText } from "../duration.js";
import { labelOf } from "../labels.js";
import { troubleFromError } from "../troubles.js";
import type { Cell, Comparison } from "./comparison.js";
import { distanceText } from "./distance.js";
import { elements } from "./elements.js";
import { markerIcon } from "./markers.js";
import { drawsNoise } from "./methods.js";
import { thumbnail } from "./thumbnail.js";

const { results } = elements;

/** `1 evaluation`, `8 evaluations`. */
export function evaluationsText(count: number): string {
  return `${count} evaluation${count === 1 ? "" : "s"}`;
}

/** Puts up the table of a comparison that begins, with its cells waiting. */
export function showEmptyTable({ methods, budgets }: Comparison): void {
  const head = document.createElement("thead");
  head.insertRow().append(header("col", "Method"), ...budgets.map((budget) => header("col", evaluationsText(budget))));
  const body = document.createElement("tbody");
  methods.forEach((method, index) => {
    const row = body.insertRow();
    const name = header("row", markerIcon(index, drawsNoise(method)), paragraph("", labelOf(method)));
    if (drawsNoise(method)) name.append(paragraph("hint", "fresh noise"));
    row.append(name);
    for (let column = 0; column < budgets.length; column++) showState(row.insertCell(), "waiting", "waiting");
  });
  results.replaceChildren(head, body);
}

/** The cell of the method and budget at these indices. */
export function cellAt(method: number, budget: number): HTMLTableCellElement {
  const cell = results.tBodies[0]?.rows[method]?.cells[budget + 1];
  if (!cell) throw new RangeError(`The table has no cell ${method}, ${budget}.`);
  return cell;
}

export function showWorking(cell: HTMLTableCellElement): void {
  showState(cell, "working", "at work…");
}

export function showPicture(cell: HTMLTableCellElement, image: ImageData, facts: Cell & { distance: number; milliseconds: number }): void {
  const { method, evaluationsAsked, evaluationsDone, distance, milliseconds } = facts;
  const less = evaluationsDone === evaluationsAsked ? "" : ` for ${evaluationsText(evaluationsDone)}`;
  cell.dataset["state"] = "done";
  cell.replaceChildren(
    thumbnail(image, `${labelOf(method)}, ${evaluationsText(evaluationsAsked)}`),
    paragraph("distance", distanceText(distance)),
    paragraph("hint", `${durationText(milliseconds)}${less}`),
  );
}

export function showRefusal(cell: HTMLTableCellElement, error: unknown): void {
  showState(cell, "refused", troubleFromError(error).message);
}

/** Says of cells that were to come that they will not. */
export function giveUpWaiting(): void {
  results.querySelectorAll<HTMLTableCellElement>('td:is([data-state="waiting"], [data-state="working"])').forEach((cell) => {
    showState(cell, "left", "not made");
  });
}

function showState(cell: HTMLTableCellElement, state: string, words: string): void {
  cell.dataset["state"] = state;
  cell.replaceChildren(paragraph("hint", words));
}

function header(scope: string, ...content: (Node | string)[]): HTMLTableCellElement {
  const cell = document.createElement("th");
  cell.scope = scope;
  cell.append(...content);
  return cell;
}

function paragraph(className: string, text: string): HTMLParagraphElement {
  return Object.assign(document.createElement("p"), { className, textContent: text });
}
