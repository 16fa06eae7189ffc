// The plot: distance against evaluations, both logarithmic, a line a method. The table says the same in numbers.

import { labelOf } from "../labels.js";
import type { Cell, Comparison } from "./comparison.js";
import { distanceText } from "./distance.js";
import { elements } from "./elements.js";
import { logPosition, logScale, logTicks, type LogScale } from "./log-scale.js";
import { marker, markerIcon, seriesClass, svg } from "./markers.js";
import { drawsNoise } from "./methods.js";
import { evaluationsText } from "./results.js";

const { plot, plotDrawing, legend } = elements;
const MARGIN = { top: 30, right: 14, bottom: 46, left: 56 };

type Point = Cell & { distance: number };

/** What the plot shows. */
let shown: Comparison | undefined;

// Text keeps its size whatever the width: the plot is drawn anew, not scaled.
new ResizeObserver(draw).observe(plot);

/** Shows what a comparison has come to so far. */
export function showPlot(comparison: Comparison): void {
  shown = comparison;
  plot.hidden = points(comparison).length === 0;
  legend.replaceChildren(
    ...comparison.methods.map((method, index) => {
      const item = document.createElement("li");
      item.append(markerIcon(index, drawsNoise(method)), labelOf(method));
      return item;
    }),
  );
  draw();
}

/** Cells that have a place on logarithmic axes. Latents equal to the reference's, at distance 0, have none. */
function points({ cells }: Comparison): Point[] {
  return cells.filter((cell): cell is Point => cell.distance !== null && cell.distance > 0);
}

function draw(): void {
  const width = plot.clientWidth;
  const all = shown ? points(shown) : [];
  if (!shown || all.length === 0 || width === 0) return;
  const height = Math.round(Math.min(Math.max(width * 0.55, 260), 440));
  const right = width - MARGIN.right;
  const bottom = height - MARGIN.bottom;
  const xScale = logScale(all.map(({ evaluationsDone }) => evaluationsDone));
  const yScale = logScale(all.map(({ distance }) => distance));
  const x = (value: number) => round(MARGIN.left + logPosition(xScale, value) * (right - MARGIN.left));
  const y = (value: number) => round(bottom - logPosition(yScale, value) * (bottom - MARGIN.top));

  plotDrawing.setAttribute("viewBox", `0 0 ${width} ${height}`);
  plotDrawing.setAttribute("height", String(height));
  plotDrawing.replaceChildren(
    ...verticals(xScale, x, bottom),
    ...horizontals(yScale, y, right),
    svg("path", { class: "axis", d: `M${MARGIN.left} ${MARGIN.top}V${bottom}H${right}` }),
    svg("text", { x: 4, y: 16 }, "Distance"),
    svg("text", { x: (MARGIN.left + right) / 2, y: height - 8, "text-anchor": "middle" }, "Network evaluations"),
    ...shown.methods.map((method, index) => series(method, index, all, x, y)),
  );
}

function verticals(scale: LogScale, x: (value: number) => number, bottom: number): SVGElement[] {
  return logTicks(scale).flatMap((tick) => [
    svg("path", { class: "grid", d: `M${x(tick)} ${MARGIN.top}V${bottom}` }),
    svg("text", { x: x(tick), y: bottom + 18, "text-anchor": "middle" }, String(tick)),
  ]);
}

function horizontals(scale: LogScale, y: (value: number) => number, right: number): SVGElement[] {
  return logTicks(scale).flatMap((tick) => [
    svg("path", { class: "grid", d: `M${MARGIN.left} ${y(tick)}H${right}` }),
    svg("text", { x: MARGIN.left - 8, y: y(tick) + 4, "text-anchor": "end" }, String(tick)),
  ]);
}

function series(method: string, index: number, all: Point[], x: (value: number) => number, y: (value: number) => number): SVGElement {
  const own = all.filter((point) => point.method === method).sort((a, b) => a.evaluationsDone - b.evaluationsDone);
  const places = own.map(({ evaluationsDone, distance }) => `${x(evaluationsDone)} ${y(distance)}`);
  const marks = own.map(({ evaluationsDone, distance }) => {
    const mark = marker(index, x(evaluationsDone), y(distance));
    mark.append(svg("title", {}, `${labelOf(method)}, ${evaluationsText(evaluationsDone)}: ${distanceText(distance)}`));
    return mark;
  });
  const line = places.length > 1 ? [svg("path", { class: "line", d: `M${places.join("L")}` })] : [];
  return svg("g", { class: seriesClass(index, drawsNoise(method)) }, ...line, ...marks);
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}
