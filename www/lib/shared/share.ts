// One Tenstep for all who ask for the same: the elements of a page, the components of a tree.

import { Tenstep, type LoadOptions, type LoadProgress } from "../index.js";

/** The options of `load` that have to be the same for a model to be shared: all but those of one caller. */
export type SharedOptions = Omit<LoadOptions, "onProgress" | "signal">;

/** Long enough for a component that is mounted twice, or a page that gives way to another. */
const LINGER_MILLIS = 1000;
const shared = new Map<string, SharedTenstep>();
/** Numbers of those that others are loaded beside. */
const numbers = new WeakMap<Tenstep, number>();
let nextNumber = 0;

/** A text that is the same for options that ask for the same. */
export function keyOf(options: SharedOptions): string {
  const entries = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify(entries.filter(([, value]) => value !== undefined), (_, value: unknown) => {
    if (!(value instanceof Tenstep)) return typeof value === "function" ? String(value) : value;
    if (!numbers.has(value)) numbers.set(value, nextNumber++);
    return { number: numbers.get(value) };
  });
}

/**
 * Uses the Tenstep with these options, loading it where there is none. `onProgress` hears at once how far a load under way
 * has come. A failed load is forgotten: the next use tries anew.
 */
export function share(options: SharedOptions, onProgress: (progress: LoadProgress) => void): Use {
  const key = keyOf(options);
  const one = shared.get(key) ?? new SharedTenstep(options, () => shared.get(key) === one && shared.delete(key));
  shared.set(key, one);
  return one.use(onProgress);
}

export interface Use {
  tenstep: Promise<Tenstep>;
  /** After the last use the Tenstep is disposed, unless another one follows within a moment. */
  end(): void;
}

class SharedTenstep {
  #tenstep: Promise<Tenstep>;
  #listeners = new Set<(progress: LoadProgress) => void>();
  #latest: LoadProgress | null = null;
  #stop = new AbortController();
  #ending: ReturnType<typeof setTimeout> | undefined;
  #forget: () => void;

  constructor(options: SharedOptions, forget: () => void) {
    this.#forget = forget;
    const onProgress = (progress: LoadProgress) => {
      this.#latest = progress;
      for (const listener of this.#listeners) listener(progress);
    };
    this.#tenstep = Tenstep.load({ ...options, onProgress, signal: this.#stop.signal });
    this.#tenstep.catch(forget);
  }

  use(onProgress: (progress: LoadProgress) => void): Use {
    clearTimeout(this.#ending);
    this.#listeners.add(onProgress);
    if (this.#latest) onProgress(this.#latest);
    return { tenstep: this.#tenstep, end: () => this.#end(onProgress) };
  }

  #end(onProgress: (progress: LoadProgress) => void): void {
    if (!this.#listeners.delete(onProgress) || this.#listeners.size > 0) return;
    this.#ending = setTimeout(() => {
      this.#forget();
      this.#stop.abort();
      void this.#tenstep.then((tenstep) => tenstep.dispose(), () => undefined);
    }, LINGER_MILLIS);
  }
}
