// Prompts to start from.

import { elements } from "./elements.js";

const prompts = [
  "a red apple",
  "a smiling cat",
  "a green tree",
  "a blue fish",
  "a yellow flower",
  "a slice of pizza",
  "a rocket",
] as const;

/** Puts the examples under the prompt; one that is pressed becomes the prompt, and `start` is called. */
export function connectExamples(start: () => void): void {
  elements.examples.replaceChildren(
    ...prompts.map((prompt) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = prompt;
      button.addEventListener("click", () => {
        elements.prompt.value = prompt;
        start();
      });
      const item = document.createElement("li");
      item.append(button);
      return item;
    }),
  );
}
