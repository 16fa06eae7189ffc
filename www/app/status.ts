// What the page says in words: progress to screen readers, errors, warnings, and what came out.

import { elements } from "./elements.js";
import { troubleFromError } from "./troubles.js";

/** Says a sentence to screen readers. Few words and rarely: each one interrupts. */
export function announce(sentence: string): void {
  elements.status.textContent = sentence;
}

/** Shows an error with what to do about it. */
export function showError(error: unknown): void {
  const { message, advice, code } = troubleFromError(error);
  elements.errorMessage.textContent = message;
  elements.errorAdvice.textContent = advice;
  elements.errorCode.textContent = code;
  elements.error.hidden = false;
}

/** Takes the error away, once something new was begun. */
export function clearError(): void {
  elements.error.hidden = true;
}

/** Lists what the engine wants known about a picture, such as words that it does not know. */
export function showWarnings(warnings: readonly string[]): void {
  elements.warningList.replaceChildren(
    ...warnings.map((warning) => {
      const item = document.createElement("li");
      item.textContent = warning;
      return item;
    }),
  );
  elements.warnings.hidden = warnings.length === 0;
}

/** Milliseconds as people read them: `84 ms`, `2.1 s`. */
export function durationText(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}
