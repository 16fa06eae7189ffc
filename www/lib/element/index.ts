// The custom element's entry point, `tenstep/element`. Importing it does nothing; `defineTenstepImage` registers the element.

export { defineTenstepImage } from "./define.js";
export { TenstepImageElement } from "./tenstep-image.js";
