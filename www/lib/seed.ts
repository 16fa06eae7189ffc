// Seeds where the caller gives none: chosen before the engine is asked, so that a picture whose engine is lost goes on as the same.

/** Thirty-two bits, of the fifty-three that a seed may have, are short enough to read out. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}
