// A picture made step by step, at the caller's pace.

import { checkRevision } from "./check-options.js";
import type { Client } from "./client.js";
import { TenstepError } from "./errors.js";
import type { Interruption, Picture, PictureOptions, RunState, SavedRun, StepReport } from "./options.js";
import { imageFromPixels, reportFromStepped } from "./pictures.js";
import type { Decoded, Started, Stepped, Value } from "./protocol.js";
import { Recovery } from "./recovery.js";
import { Serial } from "./serial.js";
import type { WorkerLink } from "./worker-link.js";

/** @internal */
export interface Beginning {
  client: Client;
  /** The page's number of the run. */
  number: number;
  /** With the seed. */
  options: PictureOptions;
  /** Where to go on from; null for the start. */
  saved: SavedRun | null;
  signal: AbortSignal | undefined;
  onInterruption: ((interruption: Interruption) => void) | undefined;
}

/** What `Tenstep.start` gives: call `step` until `done`, then `image`. Dispose it, or its latents stay on the device. */
export class Run {
  /** The seed that is used. */
  readonly seed: number;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;

  #client: Client;
  #number: number;
  #options: PictureOptions;
  /** Of the model that makes it. */
  #revision: string;
  #recovery: Recovery;
  /** One at a time, so that only one moves the run to another engine. */
  #questions = new Serial();
  /** The engine that holds the run, until it is lost. */
  #link: WorkerLink;
  #state: RunState | null;
  #steps: number;
  #solverSteps: number;
  #stepsDone: number;
  #isDone: boolean;
  #warnings: string[];
  /** Aborted by `dispose`. */
  #gone = new AbortController();

  private constructor({ client, number, options, saved }: Beginning, recovery: Recovery, link: WorkerLink, started: Started) {
    this.#client = client;
    this.#number = number;
    this.#options = options;
    this.#revision = client.loaded.model.revision;
    this.#recovery = recovery;
    this.#link = link;
    this.#state = saved?.state ?? null;
    this.seed = started.seed;
    this.#steps = started.steps;
    this.#solverSteps = started.solverSteps;
    this.#stepsDone = started.step;
    this.#isDone = started.done;
    this.width = started.width;
    this.height = started.height;
    this.#warnings = started.warnings;
  }

  /** @internal */
  static async begin(beginning: Beginning): Promise<Run> {
    const { client, number, options, saved, signal } = beginning;
    const recovery = new Recovery(beginning.onInterruption);
    return recovery.run(client, signal, () => 0, async (link) => {
      // Not before: the session may have brought another.
      if (saved) checkRevision(saved, client.loaded.model.revision);
      try {
        return new Run(beginning, recovery, link, await startOn(link, number, options, saved?.state ?? null, signal));
      } catch (error) {
        // Aborted while the worker was starting it: let go of what it may have made.
        if (signal?.aborted) void dropOn(link, number);
        throw error;
      }
    });
  }

  /**
   * Network evaluations in all, at most as many as were asked for; each is one call of `step`. With an adaptive solver the
   * most there can be, until the run is done.
   */
  get steps(): number {
    return this.#steps;
  }

  /** Steps of the solver in all: fewer than `steps` where the solver takes several evaluations for one. With an adaptive solver those known so far. */
  get solverSteps(): number {
    return this.#solverSteps;
  }

  /** Steps done so far, from 0 to `steps`. */
  get stepsDone(): number {
    return this.#stepsDone;
  }

  /** Whether all steps are done. */
  get done(): boolean {
    return this.#isDone;
  }

  /** Sentences about input that was changed, such as a prompt that was cut, and about what was done because memory is short; some come with `image` only. */
  get warnings(): string[] {
    return [...this.#warnings];
  }

  /** Engines that were lost under this run, in order; mostly none. */
  get interruptions(): Interruption[] {
    return [...this.#recovery.interruptions];
  }

  /** One network evaluation; with guidance both halves of it, which count as one. After the last step there is nothing to do, and it resolves at once. */
  async step(): Promise<StepReport> {
    return reportFromStepped(
      await this.#ask(async (link) => {
        const stepped = await this.#stepOn(link);
        this.#stepsDone = stepped.step;
        this.#steps = stepped.steps;
        this.#solverSteps = stepped.solverSteps;
        this.#isDone = stepped.done;
        this.#state = stepped.state ?? this.#state;
        return stepped;
      }),
    );
  }

  /** Decodes the picture as it stands; before the last step it is still noisy. */
  async image(): Promise<Pick<Picture, "image" | "timings">> {
    const { timings, warnings, ...pixels } = (await this.#ask((link) => this.#request(link, "decode"))) as Decoded;
    this.#warnings = warnings;
    const total = timings.text + timings.steps.reduce((sum, step) => sum + step, 0) + timings.decode;
    return { image: imageFromPixels(pixels), timings: { ...timings, total } };
  }

  /** The latents as they stand, `[1, height / s, width / s, C]` for an autoencoder of scale s: channels last, at the noise level of the current step. */
  async latents(): Promise<Float32Array> {
    return (await this.#ask((link) => this.#request(link, "latents"))) as Float32Array;
  }

  /** What `Tenstep.resume` goes on from, later or elsewhere, to the same picture. */
  async save(): Promise<SavedRun> {
    const state = (await this.#ask((link) => this.#request(link, "state"))) as RunState;
    return { version: 1, revision: this.#revision, options: structuredClone(this.#options), state };
  }

  /** Frees the run, and stops what it is doing. Calls under way and later ones are rejected with code `disposed`. */
  async dispose(): Promise<void> {
    if (this.#gone.signal.aborted) return;
    this.#gone.abort(new TenstepError("disposed", "the run was disposed; start another"));
    await dropOn(this.#link, this.#number);
  }

  /** Asks the engine that holds the run; where that is lost, the next one is first brought to where the run stood. */
  #ask<T>(question: (link: WorkerLink) => Promise<T>): Promise<T> {
    const attempt = async (link: WorkerLink) => {
      if (link !== this.#link) await this.#moveTo(link);
      return question(link);
    };
    return this.#questions.run(() => this.#recovery.run(this.#client, this.#gone.signal, () => this.#stepsDone, attempt));
  }

  async #moveTo(link: WorkerLink): Promise<void> {
    const { revision } = this.#client.loaded.model;
    if (revision !== this.#revision) {
      const message = `the run is of the model's revision ${this.#revision}, in whose place ${revision} was loaded; start another`;
      throw new TenstepError("disposed", message);
    }
    const { signal } = this.#gone;
    try {
      await startOn(link, this.#number, this.#options, this.#state, signal);
      // The last state may be older than the last step.
      for (let step = this.#state?.evaluations ?? 0; step < this.#stepsDone; ) step = (await this.#stepOn(link)).step;
      signal.throwIfAborted();
      this.#link = link;
    } catch (error) {
      // `dispose` knows the last engine only, and the next call moves anew.
      void dropOn(link, this.#number);
      throw error;
    }
  }

  async #stepOn(link: WorkerLink): Promise<Stepped> {
    return (await this.#request(link, "step")) as Stepped;
  }

  #request(link: WorkerLink, type: "step" | "decode" | "latents" | "state"): Promise<Value> {
    return link.request({ type, run: this.#number }, { signal: this.#gone.signal });
  }
}

async function startOn(link: WorkerLink, run: number, options: PictureOptions, state: RunState | null, signal?: AbortSignal): Promise<Started> {
  return (await link.request({ type: "start", run, options, ...(state && { state }) }, { signal })) as Started;
}

/** Where this fails the engine has ended, and the run with it. */
async function dropOn(link: WorkerLink, run: number): Promise<void> {
  await link.request({ type: "drop", run }).catch(() => undefined);
}
