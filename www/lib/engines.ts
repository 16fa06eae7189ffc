// The engines of a worker: one for each backend and arithmetic, and so one device, for all models that run there.

import { importEngine } from "./engine-module.js";
import type { Engine } from "./engine.js";
import type { Arithmetic, Backend } from "./options.js";

export class Engines {
  #held = new Map<string, { engine: Promise<Engine>; models: number }>();
  /** By what each is held. */
  #kinds = new WeakMap<Engine, string>();

  /** The engine for one more model. The first has it made, of the module in the folder `from` where that is given. */
  async take(backend: Backend, arithmetic: Arithmetic, from: string | undefined): Promise<Engine> {
    const kind = backend === "webgpu" ? `${backend} in ${arithmetic}` : backend;
    const held = this.#held.get(kind) ?? { engine: importEngine(backend, from).then(({ Engine }) => Engine.create(arithmetic)), models: 0 };
    this.#held.set(kind, held);
    held.models++;
    try {
      const engine = await held.engine;
      this.#kinds.set(engine, kind);
      return engine;
    } catch (error) {
      this.#leave(kind);
      throw error;
    }
  }

  /** Gives back an engine that was taken for a model. After the last it is freed. */
  release(engine: Engine): void {
    if (this.#leave(this.#kinds.get(engine)!)) engine.free();
  }

  /** Whether nobody else has the engine. */
  #leave(kind: string): boolean {
    const held = this.#held.get(kind)!;
    return --held.models === 0 && this.#held.delete(kind);
  }
}
