// A wasm module that does nothing but arithmetic: eight vectors of four f32, each multiplied and added to, again and again.

const VECTORS = 8;

/** Floating-point operations of one turn of the loop: a multiplication and an addition for each of four lanes. */
export const FLOPS_PER_TURN = VECTORS * 4 * 2;

const [I32, F32, V128] = [0x7f, 0x7d, 0x7b];
/** Locals: the turns left, the vectors, the factor, the addend. */
const [TURNS, FIRST, FACTOR, ADDEND] = [0, 1, VECTORS + 1, VECTORS + 2];
const get = (local: number) => [0x20, local];
const set = (local: number) => [0x21, local];
const tee = (local: number) => [0x22, local];
const f32 = (value: number) => [0x43, ...new Uint8Array(new Float32Array([value]).buffer)];
const SPLAT = [0xfd, 0x13];
const LANE_0 = [0xfd, 0x1f, 0];
const MULTIPLY = [0xfd, 0xe6, 0x01];
const ADD = [0xfd, 0xe4, 0x01];

/** Exports `run(turns: i32) -> f32`. The sum it gives keeps a compiler from leaving the loop out. */
export function simdLoop(): Uint8Array<ArrayBuffer> {
  const vectors = Array.from({ length: VECTORS }, (_, index) => FIRST + index);
  const code = [
    // x becomes x / 2 + 1, which stays near 2: neither overflow nor tiny numbers, which processors are slow at.
    ...vectors.flatMap((vector) => [...f32(vector), ...SPLAT, ...set(vector)]),
    ...[...f32(0.5), ...SPLAT, ...set(FACTOR)],
    ...[...f32(1), ...SPLAT, ...set(ADDEND)],
    ...[0x03, 0x40], // loop
    ...vectors.flatMap((vector) => [...get(vector), ...get(FACTOR), ...MULTIPLY, ...get(ADDEND), ...ADD, ...set(vector)]),
    ...[...get(TURNS), 0x41, 1, 0x6b, ...tee(TURNS), 0x0d, 0, 0x0b], // until no turn is left
    ...vectors.flatMap((vector, index) => [...get(vector), ...LANE_0, ...(index > 0 ? [0x92] : [])]), // f32.add
    0x0b,
  ];
  const body = [1, VECTORS + 2, V128, ...code];
  const section = (id: number, content: number[]) => [id, ...leb(content.length), ...content];
  return new Uint8Array([
    ...[0, 97, 115, 109, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 1, I32, 1, F32]),
    ...section(3, [1, 0]),
    ...section(7, [1, 3, ...[..."run"].map((letter) => letter.charCodeAt(0)), 0, 0]),
    ...section(10, [1, ...leb(body.length), ...body]),
  ]);
}

/** An unsigned integer below 2^14 as wasm writes it. */
function leb(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, value >> 7];
}
