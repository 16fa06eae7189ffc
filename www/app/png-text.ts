// Text in a PNG: a keyword and what it says, in tEXt where Latin-1 holds it, in iTXt otherwise (PNG specification, 11.3.3).

import { chunksFromPng, pngFromChunks, type Chunk } from "./png-chunks.js";

/** Longer texts are no settings. */
const MAX_TEXT_BYTES = 2 ** 18;
/** Between the keyword and the text of iTXt: not compressed, no language, no translated keyword. */
const PLAIN = [0, 0, 0, 0, 0];

/** The file with `texts` in it, right after its header; what it said under these keywords before is gone. */
export function withTexts(png: Uint8Array<ArrayBuffer>, texts: Record<string, string>): Uint8Array<ArrayBuffer> {
  const [header, ...rest] = chunksFromPng(png);
  const kept = rest.filter((chunk) => !((textOf(chunk)?.keyword ?? "") in texts));
  const added = Object.entries(texts).map(([keyword, text]) => textChunk(keyword, text));
  return pngFromChunks([header as Chunk, ...added, ...kept]);
}

/** Every text in the file by its keyword, the first where one comes twice. Compressed texts are left out. */
export function textsFromPng(png: Uint8Array<ArrayBuffer>): Map<string, string> {
  const texts = new Map<string, string>();
  for (const chunk of chunksFromPng(png)) {
    const found = textOf(chunk);
    if (found && !texts.has(found.keyword)) texts.set(found.keyword, found.text);
  }
  return texts;
}

function textChunk(keyword: string, text: string): Chunk {
  const latin = /^[\n\x20-\x7e\xa0-\xff]*$/.test(text);
  const encode = (value: string) => Uint8Array.from(value, (letter) => letter.charCodeAt(0));
  const parts = latin ? [encode(keyword), [0], encode(text)] : [encode(keyword), PLAIN, new TextEncoder().encode(text)];
  return { type: latin ? "tEXt" : "iTXt", data: Uint8Array.from(parts.flatMap((part) => [...part])) };
}

function textOf({ type, data }: Chunk): { keyword: string; text: string } | null {
  if (!["tEXt", "iTXt"].includes(type) || data.length > MAX_TEXT_BYTES) return null;
  const end = data.indexOf(0);
  if (end < 1 || end > 79) return null;
  // Not TextDecoder's "latin1", which is windows-1252.
  const keyword = latin1(data.subarray(0, end));
  if (type === "tEXt") return { keyword, text: latin1(data.subarray(end + 1)) };
  if (data[end + 1] !== 0) return null;
  const language = data.indexOf(0, end + 3);
  const translated = language < 0 ? -1 : data.indexOf(0, language + 1);
  return translated < 0 ? null : { keyword, text: new TextDecoder().decode(data.subarray(translated + 1)) };
}

function latin1(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
