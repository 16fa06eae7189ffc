// What a call does while earlier ones are not done.

import { TenstepError } from "./errors.js";
import type { WhenBusy } from "./options.js";

export class Turns {
  #underWay = new Set<AbortController>();

  /** Does `work`, under a signal that aborts with the caller's, or when a later call replaces this one. */
  async take<T>(whenBusy: WhenBusy = "queue", signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#underWay.size > 0 && whenBusy === "reject") {
      throw new TenstepError("busy", "another picture is not done; wait for it, abort it, or call with whenBusy: \"queue\" or \"replace\"");
    }
    if (whenBusy === "replace") {
      for (const earlier of this.#underWay) earlier.abort(new DOMException("a later call replaced this picture", "AbortError"));
    }
    const replaced = new AbortController();
    this.#underWay.add(replaced);
    try {
      return await work(signal ? AbortSignal.any([signal, replaced.signal]) : replaced.signal);
    } finally {
      this.#underWay.delete(replaced);
    }
  }
}
