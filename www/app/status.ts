// What the page says in words: progress to screen readers, errors, warnings, and what came out.

import { common } from "./common-elements.js";
import { troubleFromError } from "./troubles.js";

/** Says a sentence to screen readers. Few words and rarely: each one interrupts. */
export function announce(sentence: string): void {
  common.status.textContent = sentence;
}

/** Shows an error with what to do about it. */
export function showError(error: unknown): void {
  const { message, advice, code, helpsCpu } = troubleFromError(error);
  common.errorMessage.textContent = message;
  common.errorAdvice.textContent = advice;
  common.errorCode.textContent = code;
  common.useCpu.hidden = !helpsCpu || common.backend.value === "cpu";
  common.error.hidden = false;
}

/** Takes the error away, once something new was begun. */
export function clearError(): void {
  common.error.hidden = true;
}

/** Lists what the engine wants known about a picture, such as words that it does not know. */
export function showWarnings(warnings: readonly string[]): void {
  common.warningList.replaceChildren(
    ...warnings.map((warning) => {
      const item = document.createElement("li");
      item.textContent = warning;
      return item;
    }),
  );
  common.warnings.hidden = warnings.length === 0;
}
