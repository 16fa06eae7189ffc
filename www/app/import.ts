// Settings out of a picture's file: chosen by its button, or dropped anywhere on the page.

import { elements } from "./elements.js";
import { subjectOf } from "./entry.js";
import { writeForm } from "./form.js";
import { showNote } from "./note.js";
import { PngError } from "./png-chunks.js";
import { settingsFromFile } from "./png-settings.js";

const { dropZone, importFile } = elements;

export function connectImport(): void {
  importFile.addEventListener("change", () => {
    void takeOver(importFile.files);
    // The same file may be chosen again.
    importFile.value = "";
  });
  document.addEventListener("dragover", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
    dropZone.hidden = false;
  });
  document.addEventListener("dragleave", (event) => {
    // It also fires between elements; outside the window there is nothing that the pointer goes to.
    if (event.relatedTarget === null) dropZone.hidden = true;
  });
  document.addEventListener("drop", (event) => {
    dropZone.hidden = true;
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    void takeOver(event.dataTransfer.files);
  });
}

async function takeOver(files: FileList | null): Promise<void> {
  const file = files?.[0];
  if (!file) return;
  try {
    const settings = await settingsFromFile(file);
    const missing = writeForm(settings);
    const seed = settings.seed === undefined ? "" : `, seed ${settings.seed}`;
    const left = missing.length === 0 ? "" : ` This model does not have its ${missing.join(" and its ")}.`;
    showNote(`The settings of “${subjectOf({ prompt: settings.prompt ?? "" }, 60)}”${seed} are in the form.${left} Make a picture to see it again.`);
    elements.generate.focus();
  } catch (error) {
    const reason = error instanceof PngError ? error.message : "The browser could not read it.";
    showNote(`No settings could be taken from ${file.name}. ${reason}`);
  }
}
