// A call that outlives its engine: when that crashes or loses its device, another is loaded and the call goes on there.

import type { Client } from "./client.js";
import { TenstepError } from "./errors.js";
import type { Interruption } from "./options.js";
import type { WorkerLink } from "./worker-link.js";

/**
 * Engines that a call may end without getting further between: what breaks it three times lies in the call. Those that
 * another call ended do not count.
 */
const MAX_LOSSES = 3;

/** The engines that one call has lost. */
export class Recovery {
  readonly interruptions: Interruption[] = [];
  #losses = 0;
  #lastStep = -1;
  #onInterruption: ((interruption: Interruption) => void) | undefined;

  constructor(onInterruption?: (interruption: Interruption) => void) {
    this.#onInterruption = onInterruption;
  }

  /** Makes `attempt` on one engine after the other. `step`: how far the call has come. */
  async run<T>(
    client: Pick<Client, "session">,
    signal: AbortSignal | undefined,
    step: () => number,
    attempt: (link: WorkerLink) => Promise<T>,
  ): Promise<T> {
    for (;;) {
      const link = await client.session(signal);
      try {
        return await attempt(link);
      } catch (error) {
        if (!isLoss(error, link)) throw error;
        this.#count(error, link, step());
      }
    }
  }

  #count(error: TenstepError, link: WorkerLink, step: number): void {
    if (link.wasEndedBy(error)) {
      this.#losses = step > this.#lastStep ? 1 : this.#losses + 1;
      this.#lastStep = step;
      if (this.#losses === MAX_LOSSES) throw error;
    }
    const interruption: Interruption = { code: error.code as Interruption["code"], message: error.message, step };
    this.interruptions.push(interruption);
    this.#onInterruption?.(interruption);
  }
}

function isLoss(error: unknown, link: WorkerLink): error is TenstepError {
  return link.isClosed && error instanceof TenstepError && ["device-lost", "engine-crashed"].includes(error.code);
}
