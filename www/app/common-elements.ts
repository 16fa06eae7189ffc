// The elements that both pages have, by their ids.

import { element } from "./element.js";

export const common = {
  form: element("form", HTMLFormElement),
  prompt: element("prompt", HTMLTextAreaElement),
  generate: element("generate", HTMLButtonElement),
  cancel: element("cancel", HTMLButtonElement),

  work: element("work", HTMLDivElement),
  progress: element("progress", HTMLProgressElement),
  progressText: element("progress-text", HTMLParagraphElement),
  status: element("status", HTMLParagraphElement),
  error: element("error", HTMLDivElement),
  errorMessage: element("error-message", HTMLElement),
  errorAdvice: element("error-advice", HTMLSpanElement),
  errorCode: element("error-code", HTMLElement),
  retry: element("retry", HTMLButtonElement),
  useCpu: element("use-cpu", HTMLButtonElement),
  warnings: element("warnings", HTMLDivElement),
  warningList: element("warning-list", HTMLUListElement),

  styleField: element("style-field", HTMLDivElement),
  style: element("style", HTMLSelectElement),
  guidance: element("guidance", HTMLInputElement),
  guidanceValue: element("guidance-value", HTMLSpanElement),
  seed: element("seed", HTMLInputElement),
  seedError: element("seed-error", HTMLParagraphElement),
  dice: element("dice", HTMLButtonElement),
  schedule: element("schedule", HTMLSelectElement),
  backend: element("backend", HTMLSelectElement),
  backendReport: element("backend-report", HTMLParagraphElement),
  modelReport: element("model-report", HTMLParagraphElement),
};
