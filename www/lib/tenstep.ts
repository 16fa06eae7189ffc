// The front door: load a model, make pictures, let go.

import { checkedSavedRun, invalid, pictureOptionsFromGenerate, pictureOptionsFromStart, planFromLoadOptions } from "./check-options.js";
import { Client } from "./client.js";
import type {
  BackendReport,
  GenerateOptions,
  LoadOptions,
  ModelInfo,
  Picture,
  PictureOptions,
  ResumeOptions,
  RunState,
  SavedRun,
  StartOptions,
  StorageReport,
} from "./options.js";
import { pictureFromGenerated, reportFromStepped } from "./pictures.js";
import type { Generated, Stepped } from "./protocol.js";
import { Recovery } from "./recovery.js";
import { Run } from "./run.js";
import { randomSeed } from "./seed.js";
import { Turns } from "./turns.js";

/**
 * A model in a worker.
 *
 * Calls may overlap: the worker takes them in the order they were made, and each can be aborted on its own. A call that
 * fails leaves the others and the engine as they are. When the engine crashes or its GPU device is lost, another is loaded,
 * reporting to the same `onProgress`, and the calls under way go on from their last step; a call that loses three in a row
 * without getting further rejects (codes `engine-crashed`, `device-lost`). Where another revision of the model comes back,
 * `generate` begins its picture anew, and runs reject with code `disposed`.
 */
export class Tenstep {
  #client: Client;
  #turns = new Turns();
  #nextRun = 1;

  private constructor(client: Client) {
    this.#client = client;
  }

  /** Starts a worker, or takes that of `beside`; chooses the backend, fetches the model and makes it ready. */
  static async load(options: LoadOptions): Promise<Tenstep> {
    const plan = planFromLoadOptions(options);
    const client = options.beside === undefined ? new Client(plan) : Tenstep.#clientOf(options.beside).beside(plan);
    try {
      await client.session(options.signal);
    } catch (error) {
      client.dispose();
      throw error;
    }
    return new Tenstep(client);
  }

  static #clientOf(beside: Tenstep): Client {
    if (typeof beside !== "object" || beside === null || !(#client in beside)) throw invalid("beside", "what Tenstep.load gave", beside);
    return beside.#client;
  }

  /** Which backend runs, on what, and why. */
  get backend(): BackendReport {
    return this.#client.backend;
  }

  /** What the manifest says about the model, as last loaded. */
  get model(): ModelInfo {
    return this.#client.loaded.model;
  }

  /** Where the model is kept, and where it came from. */
  get storage(): StorageReport {
    return this.#client.storage;
  }

  /** A picture from a prompt. */
  async generate(options: GenerateOptions = {}): Promise<Picture> {
    const picture = withSeed(pictureOptionsFromGenerate(options));
    return this.#turns.take(options.whenBusy, options.signal, (signal) => this.#generate(picture, options, signal));
  }

  async #generate(options: PictureOptions, { onStep, onInterruption }: GenerateOptions, signal: AbortSignal): Promise<Picture> {
    const recovery = new Recovery(onInterruption);
    let step = 0;
    let state: RunState | null = null;
    const onStepped = (stepped: Stepped) => {
      state = stepped.state ?? state;
      // After a loss the steps since the last state are made again.
      if (stepped.step <= step) return;
      step = stepped.step;
      onStep?.(reportFromStepped(stepped));
    };
    let madeBy: string | undefined;
    const generated = await recovery.run(this.#client, signal, () => step, (link) => {
      const { revision } = this.model;
      // A reload may have brought another model, which cannot go on with what the last one made.
      if (revision !== madeBy) state = null;
      madeBy = revision;
      return link.request({ type: "generate", options, ...(state && { state }) }, { signal, onStepped });
    });
    return pictureFromGenerated(generated as Generated, recovery.interruptions);
  }

  /** The same picture, step by step. Runs and `generate` may be mixed. */
  async start(options: StartOptions = {}): Promise<Run> {
    return this.#begin(withSeed(pictureOptionsFromStart(options)), null, options);
  }

  /** Goes on with a run that `run.save()` gave, here or in another page. */
  async resume(saved: SavedRun, options: ResumeOptions = {}): Promise<Run> {
    const checked = checkedSavedRun(saved, options);
    return this.#begin(checked.options, checked, options);
  }

  #begin(options: PictureOptions, saved: SavedRun | null, { signal, onInterruption }: ResumeOptions): Promise<Run> {
    return Run.begin({ client: this.#client, number: this.#nextRun++, options, saved, signal, onInterruption });
  }

  /**
   * Frees the model, and ends the worker where no other model lives in it. Calls under way and later ones are rejected with
   * code `disposed`.
   */
  async dispose(): Promise<void> {
    this.#client.dispose();
  }
}

function withSeed(options: PictureOptions): PictureOptions {
  return { ...options, seed: options.seed ?? randomSeed() };
}
