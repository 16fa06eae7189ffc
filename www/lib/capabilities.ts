// What the browser can do, from a script that is fetched only where somebody asks.

import { errorFromWire, wireFromError } from "./errors.js";
import type { Capabilities, CapabilitiesOptions } from "./survey/report.js";

/**
 * What this browser can do, which backend would run and about how fast, before anything of a model but its manifest is
 * fetched. No GPU device outlives the call.
 */
export async function capabilities(options: CapabilitiesOptions = {}): Promise<Capabilities> {
  const { survey } = await import("./survey/survey.js");
  try {
    return await survey(options);
  } catch (error) {
    // It is a script of its own, with its own copy of TenstepError.
    const wire = wireFromError(error);
    throw wire.name === "TenstepError" ? errorFromWire(wire) : error;
  }
}
