// The engines of a worker: one for each backend, and so one device, for all models that run there.

import { importEngine } from "./engine-module.js";
import type { Engine } from "./engine.js";
import type { Backend } from "./options.js";

export class Engines {
  #held = new Map<Backend, { engine: Promise<Engine>; models: number }>();

  /** The engine for one more model. The first has it made, of the module in the folder `from` where that is given. */
  async take(backend: Backend, from: string | undefined): Promise<Engine> {
    const held = this.#held.get(backend) ?? { engine: importEngine(backend, from).then(({ Engine }) => Engine.create()), models: 0 };
    this.#held.set(backend, held);
    held.models++;
    try {
      return await held.engine;
    } catch (error) {
      this.#leave(backend);
      throw error;
    }
  }

  /** Gives back an engine that was taken for a model. After the last it is freed. */
  release(backend: Backend, engine: Engine): void {
    if (this.#leave(backend)) engine.free();
  }

  /** Whether nobody else has the engine. */
  #leave(backend: Backend): boolean {
    const held = this.#held.get(backend)!;
    return --held.models === 0 && this.#held.delete(backend);
  }
}
