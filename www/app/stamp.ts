// A small picture that can be pressed, with its words below: in the album and among variations.

import { subjectOf, type Entry } from "./entry.js";
import { altText } from "./picture.js";

/** An item for `entry` with `words` below; pressing the picture calls `open`. Its address is given back once it has been drawn. */
export function stampItem(entry: Entry, words: string, open: () => void): HTMLLIElement {
  const image = new Image();
  image.alt = altText(entry.settings);
  image.src = URL.createObjectURL(entry.png);
  image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
  const button = document.createElement("button");
  button.type = "button";
  button.className = "stamp";
  button.append(image);
  button.addEventListener("click", open);
  const name = document.createElement("p");
  name.className = "name";
  name.textContent = words;
  name.title = `${subjectOf(entry.settings)}, seed ${entry.settings.seed}, ${new Date(entry.time).toLocaleString()}`;
  const item = document.createElement("li");
  item.append(button, name);
  return item;
}
