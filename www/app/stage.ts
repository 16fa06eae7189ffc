// The stage: the picture on show, its words, its postmark, and what can be done with it.

import { durationText } from "./duration.js";
import { elements } from "./elements.js";
import { subjectOf, type Entry } from "./entry.js";
import { addressFromSettings } from "./link.js";
import { hasResult, showResult } from "./picture.js";
import { announce } from "./status.js";

const { caption, copyLink, outcome, postmark, postmarkSteps, postmarkText, postmarkUnit, timings } = elements;

let shown: Entry | undefined;

copyLink.addEventListener("click", () => void copy());

/** The picture on show, if there is one. */
export function shownEntry(): Entry | undefined {
  return shown;
}

/** Shows a finished picture, new or from the album. Gives back whether it is on show: not if another was asked for meanwhile. */
export async function showEntry(entry: Entry): Promise<boolean> {
  if (!(await showResult(entry))) return false;
  shown = entry;
  caption.textContent = `${subjectOf(entry.settings)} · seed ${entry.settings.seed}`;
  timings.textContent = timingsText(entry);
  const evaluations = entry.timings.steps.length;
  postmarkText.textContent = `TENSTEP · ${new Date(entry.time).toISOString().slice(0, 10)} · ${durationText(entry.timings.total)} ·`.toUpperCase();
  postmarkSteps.textContent = String(evaluations);
  postmarkUnit.textContent = evaluations === 1 ? "STEP" : "STEPS";
  return true;
}

/** While a picture is made, what belongs to the last one is out of the way. */
export function setStageBusy(busy: boolean): void {
  elements.picture.setAttribute("aria-busy", String(busy));
  outcome.hidden = busy || !hasResult();
  // Not `hidden`, which drawings do not have as a property.
  postmark.toggleAttribute("hidden", outcome.hidden);
}

function timingsText({ timings: { text, steps, decode, total }, solverSteps }: Entry): string {
  const sum = steps.reduce((before, milliseconds) => before + milliseconds, 0);
  const evaluations = steps.length;
  const work = evaluations === solverSteps ? `${evaluations} steps` : `${evaluations} evaluations in ${solverSteps} steps`;
  return `${durationText(total)}: text ${durationText(text)}, ${work} ${durationText(sum)}, picture ${durationText(decode)}`;
}

async function copy(): Promise<void> {
  if (!shown) return;
  const address = addressFromSettings(shown.settings);
  try {
    await navigator.clipboard.writeText(address);
    announce("Link copied.");
    copyLink.textContent = "Copied";
  } catch {
    // No permission: the address bar can be copied by hand.
    history.replaceState(null, "", address);
    announce("The link is in the address bar.");
    copyLink.textContent = "Now in the address bar";
  }
  setTimeout(() => (copyLink.textContent = "Copy link"), 2500);
}
