// The first page: makes pictures, one at a time, and keeps them in an album. Each other file here has one part of it.

import type { Tenstep } from "tenstep";
import { connectAlbum } from "./album.js";
import { showComparison } from "./comparison.js";
import { connectDevice, showDevice } from "./device-panel.js";
import { elements } from "./elements.js";
import type { Entry } from "./entry.js";
import { connectExamples } from "./examples.js";
import { fileName } from "./file-name.js";
import { followLink, offerModel, readForm, writeForm } from "./form.js";
import { beginLoad, endLoad, happeningOf, noteLoad } from "./happening.js";
import { connectImport } from "./import.js";
import { linkFromQuery } from "./link.js";
import { makeEntry } from "./make.js";
import { isModelKept } from "./model.js";
import { clearNote, showNote } from "./note.js";
import { keepForOffline } from "./offline.js";
import { forgetPreview } from "./picture.js";
import { showProgress } from "./progress.js";
import { setStageBusy, showEntry, shownEntry } from "./stage.js";
import { announce, showWarnings } from "./status.js";
import { connectStorage, refreshStorage } from "./storage-panel.js";
import { clearStrip } from "./strip.js";
import { forgetVariations, makeVariations } from "./variations.js";
import { connectWork, isWorking } from "./work.js";

const link = linkFromQuery(location.search);

clearStrip();
followLink(link);
const { prepare, start } = connectWork({
  offerModel,
  run: makePicture,
  loads: {
    begin: beginLoad,
    progress: noteLoad,
    end: (tenstep) => {
      endLoad();
      showDevice(tenstep);
      void refreshStorage();
    },
  },
  undo: forgetPreview,
  home: elements.prompt,
  setBusy: (busy) => {
    clearNote();
    setStageBusy(busy);
    if (!busy) void refreshStorage();
  },
});
connectExamples(makeExample);
connectImport();
connectDevice();
connectStorage();
void connectAlbum({ open: (entry) => void open(entry), compare });
elements.vary.addEventListener("click", varyPicture);
elements.reuse.addEventListener("click", reuseSettings);

// A link with a prompt is a picture: make it. Otherwise get ready for one.
void (link.prompt === undefined ? prepare() : start());

/** Makes one picture from what the form says. */
async function makePicture(tenstep: Tenstep, signal: AbortSignal): Promise<void> {
  const settings = readForm();
  if (!settings) return;
  forgetVariations();
  announce(`Making a picture in ${settings.steps} steps.`);
  showProgress("Reading the prompt…");
  elements.work.scrollIntoView({ block: "nearest" });
  await makeEntry(tenstep, settings, signal, (step, steps) =>
    showProgress(step < steps ? `Step ${step} of ${steps}` : "Developing…", step, steps),
  );
  void keepForOffline(tenstep.backend.backend, isModelKept);
  announce(`The picture is ready: ${fileName(settings)}.`);
}

/** Takes an example for the prompt and makes its picture. */
function makeExample(prompt: string): void {
  if (isWorking()) return showNote("A picture is being made. Cancel it, or wait for it, to make another.");
  elements.prompt.value = prompt;
  void start();
}

/** Makes more pictures like the one on show; a retry begins with the same one, whatever is on show by then. */
function varyPicture(): void {
  const origin = shownEntry();
  if (!origin) return;
  // The pressed button goes away with the picture. Cancel is one Tab from here.
  elements.generate.focus();
  void start((tenstep, signal) => makeVariations(origin, tenstep, signal, (entry) => void open(entry)));
}

/** Shows a picture that was made before. */
async function open(entry: Entry): Promise<void> {
  if (isWorking()) return showNote("A picture is being made. Cancel it, or wait for it, to open another.");
  clearNote();
  try {
    if (!(await showEntry(entry)) || isWorking()) return;
  } catch {
    return showNote("The browser has lost this picture. Its settings can make it again.");
  }
  clearStrip();
  showWarnings([]);
  happeningOf(entry);
  setStageBusy(false);
  announce(`On show: ${elements.result.alt}.`);
  elements.picture.scrollIntoView({ block: "nearest" });
}

/** Puts a picture beside the one on show. */
function compare(entry: Entry): void {
  const left = shownEntry();
  if (left) showComparison(left, entry);
  else showNote("Open a picture first: then another can be compared with it.");
}

function reuseSettings(): void {
  const shown = shownEntry();
  if (!shown) return;
  writeForm(shown.settings);
  showNote("The form has the picture’s settings now.");
  elements.prompt.focus();
}
