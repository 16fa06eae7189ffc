// Asks before something is lost. The safe answer has the focus, and Escape gives it.

import { elements } from "./elements.js";

const { confirm, confirmQuestion, confirmYes } = elements;

/** Whether the person says yes to `question`, by a button that says `action`. */
export function isConfirmed(question: string, action: string): Promise<boolean> {
  confirmQuestion.textContent = question;
  confirmYes.textContent = action;
  confirm.returnValue = "";
  confirm.showModal();
  return new Promise((resolve) => {
    confirm.addEventListener("close", () => resolve(confirm.returnValue === "yes"), { once: true });
  });
}
