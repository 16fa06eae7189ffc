// Prompts to start from: things that the default model draws so that a person knows them.

import { elements } from "./elements.js";

const prompts = [
  "a red apple",
  "a strawberry",
  "a carrot",
  "a panda",
  "a blue heart",
  "a sunflower",
  "a star",
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
