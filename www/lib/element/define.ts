// Makes the element known to the page.

import { TenstepImageElement } from "./tenstep-image.js";

declare global {
  interface HTMLElementTagNameMap {
    "tenstep-image": TenstepImageElement;
  }
}

/** Registers `<tenstep-image>`, once. Nothing happens on a server. */
export function defineTenstepImage(): void {
  const registry = globalThis.customElements;
  if (registry && !registry.get("tenstep-image")) registry.define("tenstep-image", TenstepImageElement);
}
