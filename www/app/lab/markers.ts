// Marks that tell methods apart by shape and colour: eight shapes and five colours, so that forty methods differ.

const SVG = "http://www.w3.org/2000/svg";

/** Outlines around 0, 0, some 10 across. */
const SHAPES = [
  "M-4.5 0a4.5 4.5 0 1 0 9 0a4.5 4.5 0 1 0 -9 0z",
  "M-4 -4h8v8h-8z",
  "M0 -5.2l5 9h-10z",
  "M0 -5.6l5.6 5.6l-5.6 5.6l-5.6 -5.6z",
  "M-4.5 -4.5l9 9m0 -9l-9 9",
  "M0 5.2l5 -9h-10z",
  "M-5.5 0h11m-5.5 -5.5v11",
  "M0 -5.4l5.1 3.7l-1.9 6.1h-6.4l-1.9 -6.1z",
];
const COLOURS = 5;

/** The classes of everything that is drawn for the method at `index`: its colour, and a broken line if it draws noise. */
export function seriesClass(index: number, noisy: boolean): string {
  return `series colour-${index % COLOURS}${noisy ? " noisy" : ""}`;
}

/** The mark of the method at `index`, around `x`, `y`. */
export function marker(index: number, x: number, y: number): SVGElement {
  return svg("path", { class: "marker", d: SHAPES[index % SHAPES.length] ?? "", transform: `translate(${x} ${y})` });
}

/** An SVG element with its attributes and what stands in it. */
export function svg(name: string, attributes: Record<string, string | number>, ...children: (Node | string)[]): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  made.append(...children);
  return made;
}

/** The mark in running text. */
export function markerIcon(index: number, noisy: boolean): SVGElement {
  const line = svg("path", { class: "line", d: "M-13 0h26" });
  return svg("svg", { class: `icon ${seriesClass(index, noisy)}`, viewBox: "-14 -8 28 16", "aria-hidden": "true" }, line, marker(index, 0, 0));
}
