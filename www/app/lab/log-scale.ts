// A logarithmic axis: what it spans, where its ticks are, where a value lies on it.

export interface LogScale {
  /** Smallest and largest value on the axis, both above 0. */
  low: number;
  high: number;
}

/** Spans `values`, all above 0, with a little room at both ends; around a single value it spans a factor of two. */
export function logScale(values: readonly number[]): LogScale {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = low === high ? Math.SQRT2 : (high / low) ** 0.06;
  return { low: low / room, high: high * room };
}

/** Where `value` lies, from 0 at the low end to 1 at the high end. */
export function logPosition({ low, high }: LogScale, value: number): number {
  return Math.log(value / low) / Math.log(high / low);
}

/** Round values on the axis: powers of ten, with their doubles and fives where the axis spans at most three decades. */
export function logTicks({ low, high }: LogScale): number[] {
  const mantissas = Math.log10(high / low) <= 3 ? [1, 2, 5] : [1];
  const ticks: number[] = [];
  for (let exponent = Math.floor(Math.log10(low)); exponent <= Math.ceil(Math.log10(high)); exponent++) {
    // Through decimal text, so that a tick of 0.2 is 0.2 and not its neighbour.
    ticks.push(...mantissas.map((mantissa) => Number(`${mantissa}e${exponent}`)));
  }
  return ticks.filter((tick) => tick >= low && tick <= high);
}
