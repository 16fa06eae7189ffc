// A short note below the picture: what was done, or why it could not be. Screen readers hear it.

import { elements } from "./elements.js";

const { note } = elements;

export function showNote(sentence: string): void {
  note.hidden = false;
  note.textContent = sentence;
}

export function clearNote(): void {
  note.hidden = true;
  note.textContent = "";
}
