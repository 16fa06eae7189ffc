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

/** The engines that a picture has lost, in its one call or in all of a run's. */
export class Recovery {
  readonly interruptions: Interruption[] = [];
  #onInterruption: ((interruption: Interruption) => void) | undefined;

  constructor(onInterruption?: (interruption: Interruption) => void) {
    this.#onInterruption = onInterruption;
  }

  /** Makes `attempt`, which is one call, on one engine after the other. `step`: how far the picture has come. */
  async run<T>(
    client: Pick<Client, "session">,
    signal: AbortSignal | undefined,
    step: () => number,
    attempt: (link: WorkerLink) => Promise<T>,
  ): Promise<T> {
    let losses = 0;
    let lastStep = -1;
    for (;;) {
      const link = await client.session(signal);
      try {
        return await attempt(link);
      } catch (error) {
        if (!isLoss(error, link)) throw error;
        if (link.wasEndedBy(error)) {
          losses = step() > lastStep ? 1 : losses + 1;
          lastStep = step();
          if (losses === MAX_LOSSES) throw error;
        }
        this.#tell(error, step());
      }
    }
  }

  #tell({ code, message }: TenstepError, step: number): void {
    const interruption: Interruption = { code: code as Interruption["code"], message, step };
    this.interruptions.push(interruption);
    this.#onInterruption?.(interruption);
  }
}

function isLoss(error: unknown, link: WorkerLink): error is TenstepError {
  return link.isClosed && error instanceof TenstepError && ["device-lost", "engine-crashed"].includes(error.code);
}
