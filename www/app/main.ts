// The first page: makes pictures, one at a time. Each other file here has one part of it.

import type { Picture, Tenstep } from "tenstep";
import { durationText } from "./duration.js";
import { elements } from "./elements.js";
import { connectExamples } from "./examples.js";
import { fileName } from "./file-name.js";
import { followLink, offerModel, readForm } from "./form.js";
import { addressFromSettings, linkFromQuery } from "./link.js";
import { isModelKept } from "./model.js";
import { keepForOffline } from "./offline.js";
import { forgetPreview, hasResult, showPreview, showResult } from "./picture.js";
import { showProgress } from "./progress.js";
import type { Settings } from "./settings.js";
import { announce, showWarnings } from "./status.js";
import { connectWork } from "./work.js";

const link = linkFromQuery(location.search);

/** What the result on show was made from. */
let shown: Settings | undefined;

followLink(link);
const { prepare, start } = connectWork({
  offerModel: (info) => offerModel(info, link),
  run: makePicture,
  undo: forgetPreview,
  home: elements.prompt,
  setBusy: (busy) => {
    elements.picture.setAttribute("aria-busy", String(busy));
    elements.outcome.hidden = busy || !hasResult();
  },
});
connectExamples(() => void start());
elements.crisp.addEventListener("change", () => {
  elements.picture.dataset["crisp"] = String(elements.crisp.checked);
});
elements.copyLink.addEventListener("click", () => void copyLink());

// A link with a prompt is a picture: make it. Otherwise get ready for one.
void (link.prompt === undefined ? prepare() : start());

/** Makes one picture from what the form says. */
async function makePicture(tenstep: Tenstep, signal: AbortSignal): Promise<void> {
  const settings = readForm();
  if (!settings) return;
  announce(`Making a picture in ${settings.steps} steps.`);
  showProgress("Reading the prompt…");
  elements.work.scrollIntoView({ block: "nearest" });
  const picture = await tenstep.generate({
    ...settings,
    signal,
    onStep: ({ step, steps, preview }) => {
      showProgress(step < steps ? `Step ${step} of ${steps}` : "Developing…", step, steps);
      if (preview) showPreview(preview);
    },
  });
  await showResult(picture.image, settings);
  showOutcome(picture, settings);
  void keepForOffline(tenstep.backend.backend, isModelKept);
}

function showOutcome({ timings, solverSteps, warnings }: Picture, settings: Settings): void {
  shown = settings;
  const subject = settings.prompt.trim() || "No prompt";
  elements.caption.textContent = `${subject.length > 200 ? `${subject.slice(0, 200)}…` : subject} · seed ${settings.seed}`;
  const sum = timings.steps.reduce((total, milliseconds) => total + milliseconds, 0);
  const evaluations = timings.steps.length;
  const work = evaluations === solverSteps ? `${evaluations} steps` : `${evaluations} evaluations in ${solverSteps} steps`;
  elements.timings.textContent =
    `${durationText(timings.total)}: text ${durationText(timings.text)}, ` +
    `${work} ${durationText(sum)}, picture ${durationText(timings.decode)}`;
  showWarnings(warnings);
  announce(`The picture is ready: ${fileName(settings)}.`);
}

async function copyLink(): Promise<void> {
  if (!shown) return;
  try {
    await navigator.clipboard.writeText(addressFromSettings(shown));
    announce("Link copied.");
    elements.copyLink.textContent = "Copied";
  } catch {
    // No permission: the address bar can be copied by hand.
    history.replaceState(null, "", addressFromSettings(shown));
    elements.copyLink.textContent = "Now in the address bar";
  }
  setTimeout(() => (elements.copyLink.textContent = "Copy link"), 2500);
}
