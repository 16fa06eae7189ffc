// manifest.json as text: from the network, or as the store kept it. What it says is checked in the engine, which alone knows the schema.

import { TenstepError } from "../errors.js";
import { readRecord } from "../store/model-records.js";
import type { ShardStore } from "../store/shard-store.js";
import { download, mayComeBack } from "./download.js";

/** Far above any real manifest; bounds what a wrong address can make us hold. */
const LIMIT_BYTES = 16 * 1024 * 1024;
/** With a copy at hand nobody waits for a network that is hardly there. */
const STALL_MILLIS = 8000;

export interface Manifest {
  text: string;
  /** Where it is from. The store's may be of an earlier revision than the server's. */
  from: "network" | "store";
  /** Which address gave it, by its place in the list. */
  place: number;
  /** Whether the store has it, word for word. */
  isKept: boolean;
}

/**
 * The first of `urls` that can be had. Where none can, because the network or the servers are down, the store's copy of the
 * first; what a server says is gone stays gone.
 */
export async function fetchManifest(urls: string[], store: ShardStore, signal: AbortSignal): Promise<Manifest> {
  const kept = await store.use((kept) => readRecord(kept, urls[0]!).then((record) => record?.manifest ?? null));
  const patience = kept === null ? {} : { attempts: 1, stallMillis: STALL_MILLIS };
  let failure: TenstepError | undefined;
  for (const [place, url] of urls.entries()) {
    try {
      const text = await fetchText({ url, signal, ...patience });
      return { text, from: "network", place, isKept: text === kept };
    } catch (error) {
      if (!(error instanceof TenstepError) || error.code !== "fetch-failed") throw error;
      failure ??= error;
    }
  }
  if (kept === null || !mayComeBack(failure!)) throw failure;
  return { text: kept, from: "store", place: 0, isKept: true };
}

async function fetchText(from: { url: string; signal: AbortSignal; attempts?: number; stallMillis?: number }): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  await download({
    ...from,
    limitBytes: LIMIT_BYTES,
    tooLong: () => new TenstepError("invalid-manifest", `manifest: ${from.url} is longer than ${LIMIT_BYTES} bytes`),
    onChunk: (chunk, offset) => {
      if (offset === 0) {
        decoder.decode();
        text = "";
      }
      text += decoder.decode(chunk, { stream: true });
    },
  });
  return text + decoder.decode();
}
