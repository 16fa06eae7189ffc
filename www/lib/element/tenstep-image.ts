// <tenstep-image>: a picture from attributes. Elements with the same manifest share one Tenstep.

import type { GenerateOptions, LoadProgress, Picture, StepReport } from "../index.js";
import { share, type SharedOptions, type Use } from "../shared/share.js";
import { untilAborted } from "../until-aborted.js";
import { PictureView } from "./picture-view.js";

const ATTRIBUTES = [
  "manifest", "mirrors", "store", "backend", "threads", "arithmetic", "worker-url", "wasm-url",
  "prompt", "negative-prompt", "picture-style", "seed", "steps", "guidance-scale", "alt",
];

/** Servers have no elements, and may import this all the same. */
const Base = globalThis.HTMLElement ?? (class {} as typeof HTMLElement);

/**
 * Attributes: `manifest`, without which nothing happens; `prompt`, `negative-prompt`, `picture-style`, `seed`, `steps`,
 * `guidance-scale` as in GenerateOptions (`style` is HTML's own); `alt`, which is the prompt where it is missing; `mirrors`,
 * addresses with spaces between them, `store`, `backend`, `threads`, `arithmetic`, `worker-url`, `wasm-url` as in LoadOptions. A change makes
 * the picture anew; removing the element aborts.
 *
 * Events, which do not bubble: `progress` (detail: LoadProgress), `step` (StepReport), `load` (Picture), `error` (Error).
 * Parts: `picture`, `progress`, `status`.
 */
export class TenstepImageElement extends Base {
  /** @internal */
  static readonly observedAttributes = ATTRIBUTES;

  #view: PictureView | null = null;
  #use: Use | null = null;
  #loading = "";
  #drawing = "";
  #stop = new AbortController();
  #isScheduled = false;
  #picture: Picture | null = null;

  /** The picture that is shown, once it is finished. */
  get picture(): Picture | null {
    return this.#picture;
  }

  /** @internal */
  connectedCallback(): void {
    this.#view ??= new PictureView(this.attachShadow({ mode: "open" }));
    this.#schedule();
  }

  /** @internal */
  disconnectedCallback(): void {
    this.#schedule();
  }

  /** @internal */
  attributeChangedCallback(): void {
    this.#schedule();
  }

  /** Several changes at once, and being moved, are one change. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.#follow();
    });
  }

  #follow(): void {
    this.#view?.describe(this.getAttribute("alt") ?? this.#text("prompt") ?? "");
    const loading = this.isConnected ? this.#loadOptions() : null;
    const drawing = loading && this.#pictureOptions();
    const isSameModel = JSON.stringify(loading) === this.#loading;
    if (isSameModel && JSON.stringify(drawing) === this.#drawing) return;
    this.#loading = JSON.stringify(loading);
    this.#drawing = JSON.stringify(drawing);
    this.#stop.abort();
    this.#stop = new AbortController();
    if (!isSameModel) {
      this.#use?.end();
      this.#use = loading && share(loading, (progress) => this.#report(progress));
    }
    if (this.#use && drawing) void this.#draw(this.#use, drawing, this.#stop.signal);
    else this.#view?.finish();
  }

  async #draw(use: Use, options: GenerateOptions, signal: AbortSignal): Promise<void> {
    const view = this.#view!;
    this.#picture = null;
    try {
      view.wait("Loading the model");
      const tenstep = await untilAborted(use.tenstep, signal);
      view.wait("Drawing");
      const onStep = (report: StepReport) => {
        view.advance(report.step, report.steps);
        if (report.preview) view.draw(report.preview);
        this.#dispatch("step", report);
      };
      const picture = await tenstep.generate({ ...options, signal, onStep });
      this.#picture = picture;
      view.draw(picture.image);
      view.finish();
      this.#dispatch("load", picture);
    } catch (error) {
      if (signal.aborted) return;
      // After a failure the next change begins with the model.
      if (this.#use === use) this.#loading = this.#drawing = "";
      view.fail(error instanceof Error ? error.message : String(error));
      this.#dispatch("error", error);
    }
  }

  #report(progress: LoadProgress): void {
    this.#view?.advance(progress.loadedBytes, progress.totalBytes);
    this.#dispatch("progress", progress);
  }

  #dispatch(type: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  #loadOptions(): SharedOptions | null {
    const manifest = this.#text("manifest");
    if (manifest === undefined) return null;
    // `load` checks what they say.
    const given = {
      mirrors: this.#text("mirrors")?.trim().split(/\s+/),
      store: this.#text("store"),
      backend: this.#text("backend"),
      threads: this.#number("threads"),
      arithmetic: this.#text("arithmetic"),
      workerUrl: this.#text("worker-url"),
      wasmUrl: this.#text("wasm-url"),
    };
    return { manifest, ...withoutUndefined(given) } as SharedOptions;
  }

  #pictureOptions(): GenerateOptions {
    return withoutUndefined({
      prompt: this.#text("prompt"),
      negativePrompt: this.#text("negative-prompt"),
      style: this.#text("picture-style"),
      seed: this.#number("seed"),
      steps: this.#number("steps"),
      guidanceScale: this.#number("guidance-scale"),
    });
  }

  /** An empty attribute is a missing one. */
  #text(name: string): string | undefined {
    return this.getAttribute(name) || undefined;
  }

  #number(name: string): number | undefined {
    const text = this.#text(name);
    return text === undefined ? undefined : Number(text);
  }
}

type Given<T> = { [K in keyof T]: Exclude<T[K], undefined> };

function withoutUndefined<T extends object>(values: T): Partial<Given<T>> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<Given<T>>;
}
