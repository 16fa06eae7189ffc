// What both pages do: load the model at once, work on one thing at a time, and let themselves be cancelled.

import type { LoadProgress, ModelInfo, Tenstep } from "tenstep";
import { common } from "./common-elements.js";
import { currentModel, loadModel, reportModel } from "./model.js";
import { hideProgress, showLoading, showProgress } from "./progress.js";
import { announce, clearError, showError, showWarnings } from "./status.js";
import { isAbort } from "./troubles.js";
import { untilAborted } from "./until-aborted.js";

/** Something to do with a loaded model. */
export type Job = (tenstep: Tenstep, signal: AbortSignal) => Promise<void>;

/** One page's own part. */
export interface Work {
  /** Puts what a loaded model offers into the form. */
  offerModel(info: ModelInfo): void;
  /** Does what the form asks for. */
  run: Job;
  /** How a load goes, for pages that show more of it than a bar. */
  loads?: { begin(): void; progress(progress: LoadProgress): void; end(tenstep: Tenstep): void };
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
/** What the error on show ended, for a retry to take up again. */
let interrupted: Job | undefined;

/** Whether something is being worked on: one thing at a time. */
export function isWorking(): boolean {
  return working !== undefined;
}

/** Makes the page live, and gives the ways to set it going. */
export function connectWork(work: Work): { prepare(): Promise<void>; start(job?: Job): Promise<void> } {
  const { form, prompt, cancel, backend, retry, useCpu } = common;
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
    // In a dialog, Escape closes the dialog.
    if (event.key === "Escape" && !document.querySelector("dialog[open]")) working?.abort();
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
    void (interrupted ? start(interrupted) : prepare());
  });
  useCpu.addEventListener("click", () => {
    work.home.focus();
    backend.value = "cpu";
    const job = interrupted;
    void prepare().then(() => job && currentModel() && start(job));
  });
  return { prepare, start };

  /** Loads the model on the chosen backend. */
  async function prepare(): Promise<void> {
    clearError();
    interrupted = undefined;
    try {
      await load();
    } catch {
      // The load has said it, or another has taken its place.
    }
  }

  async function load(): Promise<Tenstep> {
    const choice = backend.value;
    loading = true;
    announce("Loading the model.");
    showProgress("Loading…");
    work.loads?.begin();
    try {
      const tenstep = await loadModel(choice === "webgpu" || choice === "cpu" ? choice : undefined, (progress) => {
        showLoading(progress);
        work.loads?.progress(progress);
      });
      work.offerModel(tenstep.model);
      reportModel(tenstep);
      work.loads?.end(tenstep);
      loading = false;
      if (!working) {
        hideProgress();
        announce("Ready.");
      }
      return tenstep;
    } catch (error) {
      // An abort means that another load has taken this one's place.
      if (!isAbort(error)) {
        loading = false;
        // Work that waits for this load says it itself.
        if (!working || working.signal.aborted) fail(error);
      }
      throw error;
    }
  }

  /** Does what the form asks for, or `job`, and loads the model first if need be. */
  async function start(job: Job = work.run): Promise<void> {
    if (working) return;
    const controller = new AbortController();
    const { signal } = controller;
    working = controller;
    setBusy(true);
    clearError();
    interrupted = undefined;
    showWarnings([]);
    try {
      const tenstep = await untilAborted(currentModel() ?? load(), signal);
      await job(tenstep, signal);
    } catch (error) {
      work.undo();
      if (signal.aborted || isAbort(error)) {
        announce("Cancelled.");
      } else {
        interrupted = job;
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
    // Nor a button that goes away with the keyboard's focus in it.
    if (!busy && document.activeElement === cancel) work.home.focus();
    cancel.hidden = !busy;
    work.setBusy(busy);
  }
}

function fail(error: unknown): void {
  hideProgress();
  showError(error);
}
