// The front door: load a model, make pictures, let go.

import { pictureOptionsFromGenerate, pictureOptionsFromStart, planFromLoadOptions } from "./check-options.js";
import { Client } from "./client.js";
import type { BackendReport, GenerateOptions, LoadOptions, ModelInfo, Picture, StartOptions, StorageReport } from "./options.js";
import { pictureFromGenerated, reportFromStepped } from "./pictures.js";
import type { Generated, Started } from "./protocol.js";
import { Run } from "./run.js";

/**
 * A model in a worker.
 *
 * Calls may overlap: the worker takes them in the order they were made, and each can be aborted on its own. A call that
 * fails leaves the others and the engine as they are. Only a crashed engine or a lost device takes all calls under way with
 * it (codes `engine-crashed`, `device-lost`); the next call then loads the model anew, reporting to the same `onProgress`.
 */
export class Tenstep {
  #client: Client;
  #nextRun = 1;

  private constructor(client: Client) {
    this.#client = client;
  }

  static async load(options: LoadOptions): Promise<Tenstep> {
    const client = new Client(planFromLoadOptions(options));
    try {
      await client.session(options.signal);
    } catch (error) {
      client.dispose();
      throw error;
    }
    return new Tenstep(client);
  }

  /** Which backend runs, on what, and why. */
  get backend(): BackendReport {
    return this.#client.loaded.backend;
  }

  get model(): ModelInfo {
    return this.#client.loaded.model;
  }

  /** Where the model is kept, and where it came from. */
  get storage(): StorageReport {
    return this.#client.storage;
  }

  /** A picture from a prompt. */
  async generate(options: GenerateOptions = {}): Promise<Picture> {
    const picture = pictureOptionsFromGenerate(options);
    const { onStep, signal } = options;
    const link = await this.#client.session(signal);
    const generated = await link.request(
      { type: "generate", options: picture },
      { signal, onStepped: onStep && ((stepped) => onStep(reportFromStepped(stepped))) },
    );
    return pictureFromGenerated(generated as Generated);
  }

  /** The same picture, step by step. Runs and `generate` may be mixed. */
  async start(options: StartOptions = {}): Promise<Run> {
    const picture = pictureOptionsFromStart(options);
    const { signal } = options;
    const link = await this.#client.session(signal);
    const run = this.#nextRun++;
    try {
      return new Run(link, run, (await link.request({ type: "start", run, options: picture }, { signal })) as Started);
    } catch (error) {
      // Aborted while the worker was starting it: let go of what it may have made.
      if (signal?.aborted && !link.isClosed) void link.request({ type: "drop", run }).catch(() => undefined);
      throw error;
    }
  }

  /** Ends the worker and frees everything. Calls under way and later ones are rejected with code `disposed`. */
  async dispose(): Promise<void> {
    this.#client.dispose();
  }
}
