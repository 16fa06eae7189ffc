// PNG as a list of chunks (PNG specification, third edition, section 5): length, type, data, CRC. No pixels are read here.

/** Larger files are refused before they are read. */
export const MAX_PNG_BYTES = 16 * 2 ** 20;

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Length and type before the data, the CRC after it. */
const HEAD_BYTES = 8;
const CRC_BYTES = 4;

export interface Chunk {
  /** Four ASCII letters. */
  type: string;
  /** A view into the file's bytes. */
  data: Uint8Array;
}

/** What is wrong with a file that was to be a PNG, as a sentence. */
export class PngError extends Error {}

/** Whether `bytes` begin as every PNG does. */
export function isPng(bytes: Uint8Array): boolean {
  return SIGNATURE.every((byte, index) => bytes[index] === byte);
}

/**
 * The chunks of a whole file, in its order, each with the right CRC. Nothing is allocated by what the file says: the data
 * are views, and a length that goes beyond the file ends it.
 *
 * @throws PngError where the file is no PNG, is cut short or was changed.
 */
export function chunksFromPng(bytes: Uint8Array<ArrayBuffer>): Chunk[] {
  if (!isPng(bytes)) throw new PngError("It is not a PNG.");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: Chunk[] = [];
  let at = SIGNATURE.length;
  while (chunks.at(-1)?.type !== "IEND") {
    if (at + HEAD_BYTES + CRC_BYTES > bytes.length) throw new PngError("It is cut short.");
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + HEAD_BYTES));
    if (!/^[A-Za-z]{4}$/.test(type)) throw new PngError("It is damaged: a part of it has no proper name.");
    const end = at + HEAD_BYTES + length;
    if (end + CRC_BYTES > bytes.length) throw new PngError(`It is cut short, or damaged: its part ${type} does not end within the file.`);
    if (view.getUint32(end) !== crc32(bytes.subarray(at + 4, end))) throw new PngError(`It is damaged: its part ${type} was changed.`);
    if ((chunks.length === 0) !== (type === "IHDR")) throw new PngError("It is damaged: its parts are out of order.");
    chunks.push({ type, data: bytes.subarray(at + HEAD_BYTES, end) });
    at = end + CRC_BYTES;
  }
  return chunks;
}

/** A file of these chunks. */
export function pngFromChunks(chunks: readonly Chunk[]): Uint8Array<ArrayBuffer> {
  const total = chunks.reduce((sum, { data }) => sum + HEAD_BYTES + data.length + CRC_BYTES, SIGNATURE.length);
  const bytes = new Uint8Array(total);
  const view = new DataView(bytes.buffer);
  bytes.set(SIGNATURE);
  let at = SIGNATURE.length;
  for (const { type, data } of chunks) {
    const end = at + HEAD_BYTES + data.length;
    view.setUint32(at, data.length);
    bytes.set([...type].map((letter) => letter.charCodeAt(0)), at + 4);
    bytes.set(data, at + HEAD_BYTES);
    view.setUint32(end, crc32(bytes.subarray(at + 4, end)));
    at = end + CRC_BYTES;
  }
  return bytes;
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let value = byte;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value;
});

/** The CRC of ISO 3309, as PNG uses it. */
export function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (CRC_TABLE[(crc ^ byte) & 255] as number) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
