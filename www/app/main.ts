// The page: loads the model at once, makes pictures, one at a time. Each other file here has one part of it.

import type { LoadProgress, Picture, Tenstep } from "tenstep";
import { elements } from "./elements.js";
import { connectExamples } from "./examples.js";
import { fileName } from "./file-name.js";
import { connectForm, followLink, offerModel, readForm, type Settings } from "./form.js";
import { addressFromSettings, linkFromQuery } from "./link.js";
import { currentModel, loadModel, reportModel } from "./model.js";
import { forgetPreview, hasResult, showPreview, showResult } from "./picture.js";
import { bytesText, hideProgress, showProgress } from "./progress.js";
import { announce, clearError, durationText, showError, showWarnings } from "./status.js";
import { isAbort } from "./troubles.js";

const link = linkFromQuery(location.search);

/** The picture being made, if any. */
let making: AbortController | undefined;
/** What the result on show was made from. */
let shown: Settings | undefined;
/** Whether a model is being loaded. */
let loading = false;
/** Whether the error on show ended a picture, so that a retry makes it. */
let shouldDraw = false;

connectForm();
followLink(link);
connectExamples(() => void makePicture());

elements.form.addEventListener("submit", (event) => {
  event.preventDefault();
  void makePicture();
});
elements.prompt.addEventListener("keydown", (event) => {
  // While an input method composes a word, Enter belongs to it; Shift+Enter breaks the line.
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    elements.form.requestSubmit();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") making?.abort();
});
elements.cancel.addEventListener("click", () => {
  making?.abort();
  elements.prompt.focus();
});
elements.backend.addEventListener("change", () => {
  making?.abort();
  void prepare();
});
elements.retry.addEventListener("click", () => {
  elements.prompt.focus();
  void (shouldDraw ? makePicture() : prepare());
});
elements.crisp.addEventListener("change", () => {
  elements.picture.dataset["crisp"] = String(elements.crisp.checked);
});
elements.copyLink.addEventListener("click", () => void copyLink());

// A link with a prompt is a picture: make it. Otherwise get ready for one.
void (link.prompt === undefined ? prepare() : makePicture());

/** Loads the model on the chosen backend. */
async function prepare(): Promise<Tenstep | undefined> {
  clearError();
  shouldDraw = false;
  try {
    return await load();
  } catch (error) {
    if (!isAbort(error)) fail(error);
    return undefined;
  }
}

async function load(): Promise<Tenstep> {
  const choice = elements.backend.value;
  loading = true;
  announce("Loading the model.");
  showProgress("Loading…");
  try {
    const tenstep = await loadModel(choice === "webgpu" || choice === "cpu" ? choice : undefined, showLoading);
    offerModel(tenstep.model, link);
    reportModel(tenstep);
    loading = false;
    if (!making) {
      hideProgress();
      announce("Ready.");
    }
    return tenstep;
  } catch (error) {
    // An abort means that another load has taken this one's place.
    if (!isAbort(error)) loading = false;
    throw error;
  }
}

function showLoading({ phase, loadedBytes, totalBytes }: LoadProgress): void {
  if (phase === "download" && totalBytes > 0) {
    showProgress(`Loading the model: ${bytesText(loadedBytes, totalBytes)}`, loadedBytes, totalBytes);
  } else {
    showProgress(phase === "engine" ? "Starting the engine…" : "Preparing the model…");
  }
}

/** Makes one picture from what the form says, and loads the model first if need be. */
async function makePicture(): Promise<void> {
  if (making) return;
  const controller = new AbortController();
  const { signal } = controller;
  making = controller;
  setBusy(true);
  clearError();
  showWarnings([]);
  elements.outcome.hidden = true;
  try {
    const tenstep = await untilAborted(currentModel() ?? load(), signal);
    const settings = readForm();
    if (!settings) return;
    await sample(tenstep, settings, signal);
  } catch (error) {
    forgetPreview();
    if (signal.aborted || isAbort(error)) {
      announce("Cancelled.");
    } else {
      shouldDraw = true;
      fail(error);
    }
  } finally {
    making = undefined;
    setBusy(false);
    elements.outcome.hidden = !hasResult();
    if (!loading) hideProgress();
  }
}

async function sample(tenstep: Tenstep, settings: Settings, signal: AbortSignal): Promise<void> {
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

function setBusy(busy: boolean): void {
  // Not `disabled`, which would take the keyboard's focus away.
  elements.generate.setAttribute("aria-disabled", String(busy));
  elements.cancel.hidden = !busy;
  elements.picture.setAttribute("aria-busy", String(busy));
}

function fail(error: unknown): void {
  hideProgress();
  showError(error);
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

/** `promise`, or the signal's reason if that comes first. The promise itself goes on: a load may be waited for again. */
function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    promise.then(resolve, reject);
  });
}
