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

/** Puts the examples under the prompt; `choose` is called with one that is pressed. */
export function connectExamples(choose: (prompt: string) => void): void {
  elements.examples.replaceChildren(
    ...prompts.map((prompt) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = prompt;
      button.addEventListener("click", () => choose(prompt));
      const item = document.createElement("li");
      item.append(button);
      return item;
    }),
  );
}
