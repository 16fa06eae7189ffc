// The page's elements by their ids. The ids are stable: tests rely on them.

/** The element `#id`, which index.html is sure to have with that type. */
function element<T extends Element>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) {
    throw new Error(`index.html has no ${type.name} #${id}`);
  }
  return found;
}

export const elements = {
  form: element("form", HTMLFormElement),
  prompt: element("prompt", HTMLTextAreaElement),
  generate: element("generate", HTMLButtonElement),
  cancel: element("cancel", HTMLButtonElement),
  examples: element("examples", HTMLUListElement),

  picture: element("picture", HTMLDivElement),
  placeholder: element("placeholder", HTMLParagraphElement),
  preview: element("preview", HTMLCanvasElement),
  result: element("result", HTMLImageElement),
  work: element("work", HTMLDivElement),
  progress: element("progress", HTMLProgressElement),
  progressText: element("progress-text", HTMLParagraphElement),
  status: element("status", HTMLParagraphElement),
  error: element("error", HTMLDivElement),
  errorMessage: element("error-message", HTMLElement),
  errorAdvice: element("error-advice", HTMLSpanElement),
  errorCode: element("error-code", HTMLElement),
  retry: element("retry", HTMLButtonElement),
  warnings: element("warnings", HTMLDivElement),
  warningList: element("warning-list", HTMLUListElement),
  outcome: element("outcome", HTMLDivElement),
  caption: element("caption", HTMLParagraphElement),
  download: element("download", HTMLAnchorElement),
  copyLink: element("copy-link", HTMLButtonElement),
  crisp: element("crisp", HTMLInputElement),
  timings: element("timings", HTMLParagraphElement),

  styleField: element("style-field", HTMLDivElement),
  style: element("style", HTMLSelectElement),
  negativePrompt: element("negative-prompt", HTMLInputElement),
  steps: element("steps", HTMLInputElement),
  stepsValue: element("steps-value", HTMLSpanElement),
  guidance: element("guidance", HTMLInputElement),
  guidanceValue: element("guidance-value", HTMLSpanElement),
  seed: element("seed", HTMLInputElement),
  seedLock: element("seed-lock", HTMLInputElement),
  seedError: element("seed-error", HTMLParagraphElement),
  dice: element("dice", HTMLButtonElement),
  advanced: element("advanced", HTMLDetailsElement),
  solver: element("solver", HTMLSelectElement),
  schedule: element("schedule", HTMLSelectElement),
  backend: element("backend", HTMLSelectElement),
  backendReport: element("backend-report", HTMLParagraphElement),
  modelReport: element("model-report", HTMLParagraphElement),
};
