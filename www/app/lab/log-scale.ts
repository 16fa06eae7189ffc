// A logarithmic axis: what it spans, where its ticks are, where a value lies on it.

export interface LogScale {
  /** Smallest and largest value on the axis, both above 0. */
  low: number;
  high: number;
}

/** Spans `values`, all above 0, with a little room at both ends, and at least a factor of two. */
export function logScale(values: readonly number[]): LogScale {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = Math.max((high / low) ** 0.06, Math.sqrt((2 * low) / high));
  return { low: low / room, high: high * room };
}

/** Where `value` lies, from 0 at the low end to 1 at the high end. */
export function logPosition({ low, high }: LogScale, value: number): number {
  return Math.log(value / low) / Math.log(high / low);
}

/** Digits that ticks begin with, from few ticks to many. */
const MANTISSAS = [[1], [1, 2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9]];

/** Round values on the axis: as few as there are from three on. */
export function logTicks(scale: LogScale): number[] {
  const choices = MANTISSAS.map((mantissas) => ticksWith(mantissas, scale));
  return choices.find((ticks) => ticks.length >= 3) ?? choices.at(-1) ?? [];
}

function ticksWith(mantissas: readonly number[], { low, high }: LogScale): number[] {
  const ticks: number[] = [];
  for (let exponent = Math.floor(Math.log10(low)); exponent <= Math.ceil(Math.log10(high)); exponent++) {
    // Through decimal text, so that a tick of 0.2 is 0.2 and not its neighbour.
    ticks.push(...mantissas.map((mantissa) => Number(`${mantissa}e${exponent}`)));
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}
