// Two pictures side by side, with the names of what differs.

import { differencesOf } from "./differences.js";
import { elements } from "./elements.js";
import { subjectOf, type Entry } from "./entry.js";
import { altText } from "./picture.js";

const { comparison, comparisonSummary, differences, differencesRegion } = elements;

const sides = [
  { picture: elements.leftPicture, caption: elements.leftCaption },
  { picture: elements.rightPicture, caption: elements.rightCaption },
];

comparison.addEventListener("close", () => sides.forEach(({ picture }) => URL.revokeObjectURL(picture.src)));

/** Opens the comparison of two pictures. */
export function showComparison(left: Entry, right: Entry): void {
  for (const [index, { png, settings }] of [left, right].entries()) {
    const side = sides[index];
    if (!side) continue;
    side.picture.src = URL.createObjectURL(png);
    side.picture.alt = altText(settings);
    side.caption.textContent = `${subjectOf(settings, 80)} · seed ${settings.seed}`;
  }
  const found = differencesOf(left, right);
  comparisonSummary.textContent =
    found.length === 0 ? "Both were made with the same settings." : "Everything that is not listed is the same.";
  differencesRegion.hidden = found.length === 0;
  const head = document.createElement("thead");
  head.insertRow().append(...["What differs", "Left", "Right"].map((name) => header("col", name)));
  const body = document.createElement("tbody");
  for (const { name, left: ofLeft, right: ofRight } of found) {
    const row = body.insertRow();
    row.append(header("row", name));
    for (const value of [ofLeft, ofRight]) row.insertCell().textContent = value;
  }
  differences.replaceChildren(head, body);
  comparison.showModal();
}

function header(scope: string, text: string): HTMLTableCellElement {
  return Object.assign(document.createElement("th"), { scope, textContent: text });
}
