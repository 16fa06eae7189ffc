// manifest.json as text. What it says is checked in the engine, which alone knows the schema.

import { TenstepError } from "../errors.js";
import { download } from "./download.js";

/** Far above any real manifest; bounds what a wrong address can make us hold. */
const LIMIT_BYTES = 16 * 1024 * 1024;

export async function fetchManifest(url: string, signal?: AbortSignal): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  await download({
    url,
    limitBytes: LIMIT_BYTES,
    tooLong: () => new TenstepError("invalid-manifest", `manifest: ${url} is longer than ${LIMIT_BYTES} bytes`),
    onChunk: (chunk, offset) => {
      if (offset === 0) {
        decoder.decode();
        text = "";
      }
      text += decoder.decode(chunk, { stream: true });
    },
    signal,
  });
  return text + decoder.decode();
}
