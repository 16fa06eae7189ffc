// What the browser can do, from a script that is fetched only where somebody asks.

import { planFromCapabilitiesOptions } from "./check-options.js";
import { errorFromWire, TenstepError, wireFromError } from "./errors.js";
import type { Capabilities, CapabilitiesOptions } from "./survey/report.js";
import { untilAborted } from "./until-aborted.js";

/**
 * What this browser can do, which backend would run and about how fast, before anything of a model but its manifest is
 * fetched. No GPU device outlives the call.
 */
export async function capabilities(options: CapabilitiesOptions = {}): Promise<Capabilities> {
  const plan = planFromCapabilitiesOptions(options);
  plan.signal?.throwIfAborted();
  const { survey } = await untilAborted(script(), plan.signal);
  try {
    return await survey(plan);
  } catch (error) {
    // It is a script of its own, with its own copy of TenstepError.
    const wire = wireFromError(error);
    throw wire.name === "TenstepError" ? errorFromWire(wire) : error;
  }
}

async function script() {
  try {
    return await import("./survey/survey.js");
  } catch (cause) {
    throw new TenstepError("engine-unavailable", `what finds out capabilities could not be loaded: ${String(cause)}`, { cause });
  }
}
