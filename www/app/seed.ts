// Seeds: integers from 0 to 2^53 - 1, all of which a number holds exactly.

/** A seed drawn from the browser's random generator. Thirty-two bits keep it short enough to read out. */
export function randomSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
}

/** The seed that `text` spells, or `null` if it spells none. Blanks around it do not count. */
export function seedFromText(text: string): number | null {
  const trimmed = text.trim();
  if (!/^\d+$/.test(trimmed)) {
    return null;
  }
  const seed = Number(trimmed);
  return Number.isSafeInteger(seed) ? seed : null;
}
