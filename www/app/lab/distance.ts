/** Root mean square of the differences: how far a method's latents are from others of the same shape. */
export function rmsDistance(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) throw new RangeError(`latents of ${a.length} and of ${b.length} numbers`);
  const sum = a.reduce((total, value, index) => total + (value - (b[index] ?? NaN)) ** 2, 0);
  return Math.sqrt(sum / a.length);
}

/** A distance as people read it: three digits that count. */
export function distanceText(distance: number): string {
  return distance.toPrecision(3);
}
