// What both pages do: load the model at once, work on one thing at a time, and let themselves be cancelled.

import type { ModelInfo, Tenstep } from "tenstep";
import { common } from "./common-elements.js";
import { currentModel, loadModel, reportModel } from "./model.js";
import { hideProgress, showLoading, showProgress } from "./progress.js";
import { announce, clearError, showError, showWarnings } from "./status.js";
import { isAbort } from "./troubles.js";
import { untilAborted } from "./until-aborted.js";

/** One page's own part. */
export interface Work {
  /** Puts what a loaded model offers into the form. */
  offerModel(info: ModelInfo): void;
  /** Does what the form asks for. */
  run(tenstep: Tenstep, signal: AbortSignal): Promise<void>;
  /** Work was cancelled or failed. */
  undo(): void;
  /** What takes the keyboard's focus when the button that had it goes away. */
  home: HTMLElement;
  /** Work begins, or has ended in whatever way. */
  setBusy(busy: boolean): void;
}

/** What is being worked on, if anything. */
let working: AbortController | undefined;
/** Whether a model is being loaded. */
let loading = false;
/** Whether the error on show ended work, so that a retry takes it up again. */
let shouldRun = false;

/** Makes the page live, and gives the ways to set it going. */
export function connectWork(work: Work): { prepare(): Promise<void>; start(): Promise<void> } {
  const { form, prompt, cancel, backend, retry } = common;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void start();
  });
  prompt.addEventListener("keydown", (event) => {
    // While an input method composes a word, Enter belongs to it; Shift+Enter breaks the line.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") working?.abort();
  });
  cancel.addEventListener("click", () => {
    working?.abort();
    work.home.focus();
  });
  backend.addEventListener("change", () => {
    working?.abort();
    void prepare();
  });
  retry.addEventListener("click", () => {
    work.home.focus();
    void (shouldRun ? start() : prepare());
  });
  return { prepare, start };

  /** Loads the model on the chosen backend. */
  async function prepare(): Promise<void> {
    clearError();
    shouldRun = false;
    try {
      await load();
    } catch (error) {
      if (!isAbort(error)) fail(error);
    }
  }

  async function load(): Promise<Tenstep> {
    const choice = backend.value;
    loading = true;
    announce("Loading the model.");
    showProgress("Loading…");
    try {
      const tenstep = await loadModel(choice === "webgpu" || choice === "cpu" ? choice : undefined, showLoading);
      work.offerModel(tenstep.model);
      reportModel(tenstep);
      loading = false;
      if (!working) {
        hideProgress();
        announce("Ready.");
      }
      return tenstep;
    } catch (error) {
      // An abort means that another load has taken this one's place.
      if (!isAbort(error)) loading = false;
      throw error;
    }
  }

  /** Does what the form asks for, and loads the model first if need be. */
  async function start(): Promise<void> {
    if (working) return;
    const controller = new AbortController();
    const { signal } = controller;
    working = controller;
    setBusy(true);
    clearError();
    showWarnings([]);
    try {
      const tenstep = await untilAborted(currentModel() ?? load(), signal);
      await work.run(tenstep, signal);
    } catch (error) {
      work.undo();
      if (signal.aborted || isAbort(error)) {
        announce("Cancelled.");
      } else {
        shouldRun = true;
        fail(error);
      }
    } finally {
      working = undefined;
      setBusy(false);
      if (!loading) hideProgress();
    }
  }

  function setBusy(busy: boolean): void {
    // Not `disabled`, which would take the keyboard's focus away.
    common.generate.setAttribute("aria-disabled", String(busy));
    cancel.hidden = !busy;
    work.setBusy(busy);
  }
}

function fail(error: unknown): void {
  hideProgress();
  showError(error);
}
