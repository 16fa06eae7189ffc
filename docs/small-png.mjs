// Screenshots as browsers write them are several times larger than they need be: fewer shades, one filter, more patience.

import { deflateSync, inflateSync } from "node:zlib";
import { loadAppModule } from "../tests/web/unit/app-module.mjs";

const { chunksFromPng, pngFromChunks } = await loadAppModule("png-chunks");

/** Shades a channel keeps of 256: multiples of five, which the page's flat colours are. */
const SHADES = 52;

/** The picture of an 8-bit RGB or RGBA file, opaque and small. */
export function smallPng(png) {
  const chunks = chunksFromPng(png);
  const header = chunks[0].data;
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const [width, height, depth, colourType] = [view.getUint32(0), view.getUint32(4), header[8], header[9]];
  const channels = { 2: 3, 6: 4 }[colourType];
  if (depth !== 8 || !channels || header[12] !== 0) throw new Error("only 8-bit RGB and RGBA without interlacing are read");
  const packed = Buffer.concat(chunks.filter(({ type }) => type === "IDAT").map(({ data }) => data));
  const rows = unfiltered(inflateSync(packed), width * channels, height, channels);
  const opaque = Buffer.alloc(height * (1 + 3 * width));
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        const value = rows[y * width * channels + x * channels + channel];
        opaque[y * (1 + 3 * width) + 1 + 3 * x + channel] = Math.round((Math.round((value * (SHADES - 1)) / 255) * 255) / (SHADES - 1));
      }
    }
  }
  const ihdr = Uint8Array.from(header);
  ihdr[9] = 2;
  const ends = [{ type: "IHDR", data: ihdr }, { type: "IDAT", data: deflateSync(opaque, { level: 9 }) }, { type: "IEND", data: new Uint8Array() }];
  return pngFromChunks(ends);
}

/** Scanlines without their filters (PNG specification, section 9). */
function unfiltered(filtered, stride, height, channels) {
  const rows = Buffer.alloc(stride * height);
  for (let y = 0; y < height; y++) {
    const filter = filtered[y * (stride + 1)];
    for (let x = 0; x < stride; x++) {
      const left = x < channels ? 0 : rows[y * stride + x - channels];
      const up = y === 0 ? 0 : rows[(y - 1) * stride + x];
      const corner = x < channels || y === 0 ? 0 : rows[(y - 1) * stride + x - channels];
      const predicted = [0, left, up, (left + up) >> 1, paeth(left, up, corner)][filter];
      rows[y * stride + x] = filtered[y * (stride + 1) + 1 + x] + predicted;
    }
  }
  return rows;
}

function paeth(left, up, corner) {
  const guess = left + up - corner;
  const [a, b, c] = [left, up, corner].map((value) => Math.abs(guess - value));
  if (a <= b && a <= c) return left;
  return b <= c ? up : corner;
}
