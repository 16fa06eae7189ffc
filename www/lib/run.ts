// A picture made step by step, at the caller's pace.

import { TenstepError } from "./errors.js";
import type { Picture, StepReport } from "./options.js";
import { imageFromPixels, reportFromStepped } from "./pictures.js";
import type { Decoded, Started, Stepped } from "./protocol.js";
import type { WorkerLink } from "./worker-link.js";

/** What `Tenstep.start` gives: call `step` until `done`, then `image`. Dispose it, or its latents stay on the device. */
export class Run {
  /** The seed that is used. */
  readonly seed: number;
  /** Pixels. */
  readonly width: number;
  /** Pixels. */
  readonly height: number;
  /** Sentences about input that was changed, such as a prompt that was cut. */
  readonly warnings: string[];

  #link: WorkerLink;
  #run: number;
  #steps: number;
  #solverSteps: number;
  #stepsDone = 0;
  #isDone = false;
  #isDisposed = false;

  /** @internal */
  constructor(link: WorkerLink, run: number, started: Started) {
    this.#link = link;
    this.#run = run;
    this.seed = started.seed;
    this.#steps = started.steps;
    this.#solverSteps = started.solverSteps;
    this.width = started.width;
    this.height = started.height;
    this.warnings = started.warnings;
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

  /** One network evaluation (two with guidance). After the last step there is nothing to do, and it resolves at once. */
  async step(): Promise<StepReport> {
    const stepped = (await this.#ask("step")) as Stepped;
    this.#stepsDone = stepped.step;
    this.#steps = stepped.steps;
    this.#solverSteps = stepped.solverSteps;
    this.#isDone = stepped.done;
    return reportFromStepped(stepped);
  }

  /** Decodes the picture as it stands; before the last step it is still noisy. */
  async image(): Promise<Pick<Picture, "image" | "timings">> {
    const { timings, ...pixels } = (await this.#ask("decode")) as Decoded;
    const total = timings.text + timings.steps.reduce((sum, step) => sum + step, 0) + timings.decode;
    return { image: imageFromPixels(pixels), timings: { ...timings, total } };
  }

  /** The latents as they stand, `[1, height / 4, width / 4, 4]` for the default model: channels last, at the noise level of the current step. */
  async latents(): Promise<Float32Array> {
    return (await this.#ask("latents")) as Float32Array;
  }

  /** Frees the run. Later calls are rejected with code `disposed`. */
  async dispose(): Promise<void> {
    if (this.#isDisposed) return;
    this.#isDisposed = true;
    if (!this.#link.isClosed) await this.#link.request({ type: "drop", run: this.#run });
  }

  async #ask(type: "step" | "decode" | "latents"): Promise<unknown> {
    if (this.#isDisposed) throw new TenstepError("disposed", "the run was disposed; start another");
    if (this.#link.isClosed) throw new TenstepError("disposed", "the run ended with its engine; start another");
    return this.#link.request({ type, run: this.#run });
  }
}
