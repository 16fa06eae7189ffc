// The laboratory's elements by their ids. The ids are stable: tests rely on them.

import { common } from "../common-elements.js";
import { element } from "../element.js";

export const elements = {
  ...common,
  methods: element("methods", HTMLFieldSetElement),
  methodList: element("method-list", HTMLUListElement),
  methodsError: element("methods-error", HTMLParagraphElement),
  budgets: element("budgets", HTMLInputElement),
  budgetsError: element("budgets-error", HTMLParagraphElement),

  outcome: element("outcome", HTMLDivElement),
  referencePicture: element("reference-picture", HTMLDivElement),
  referenceCaption: element("reference-caption", HTMLParagraphElement),
  plot: element("plot", HTMLElement),
  plotDrawing: element("plot-drawing", SVGSVGElement),
  legend: element("legend", HTMLUListElement),
  results: element("results", HTMLTableElement),
  exports: element("exports", HTMLDivElement),
  downloadCsv: element("download-csv", HTMLButtonElement),
  downloadJson: element("download-json", HTMLButtonElement),
};
