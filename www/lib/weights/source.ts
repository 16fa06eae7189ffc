// Shards over the network: from the place the manifest came from, else from its mirrors.

import type { ShardInfo } from "../engine.js";
import { TenstepError } from "../errors.js";
import { download } from "./download.js";

export interface ShardRequest {
  shard: ShardInfo;
  /** At least `shard.bytes` long. The source fills its start, and may use it again after the shard is verified. */
  buffer: Uint8Array;
  /** Bytes at the buffer's start that are there already. */
  from: number;
  /** The copy that this source gave before was damaged: get another. */
  isFresh: boolean;
  /** The buffer's start is filled up to `to`, and new from `from` on. From 0 on, nothing is left of what was there. */
  onBytes: (from: number, to: number) => void | Promise<void>;
  signal?: AbortSignal | undefined;
}

export interface ShardSource {
  /** Fills the buffer to the shard's length, or rejects: `fetch-failed`, or `shard-size` for another length. */
  read(request: ShardRequest): Promise<void>;
}

export interface HttpPlaces {
  /** Addresses of manifests; shards lie beside them. */
  manifestUrls: string[];
  /** Which of them is asked first: the one that gave the manifest. */
  first: number;
  /** Whether shards are kept by us, so that the HTTP cache need not hold a second copy. */
  isKept: boolean;
}

export class HttpShards implements ShardSource {
  #manifestUrls: string[];
  #isKept: boolean;
  /** Which place is asked; one that fails is not asked again before all others have failed too. */
  #place: number;

  constructor({ manifestUrls, first, isKept }: HttpPlaces) {
    this.#manifestUrls = manifestUrls;
    this.#isKept = isKept;
    this.#place = first;
  }

  async read({ shard, buffer, from, isFresh, onBytes, signal }: ShardRequest): Promise<void> {
    let bytes = from;
    if (isFresh) this.#leave(this.#place);
    for (let tried = 1; ; tried++) {
      const place = this.#place;
      try {
        bytes = await download({
          url: new URL(shard.file, this.#manifestUrls[place]).href,
          from: bytes,
          limitBytes: shard.bytes,
          tooLong: (length) => wrongSize(shard, `${length} or more`),
          onChunk: (chunk, offset) => {
            buffer.set(chunk, offset);
            bytes = offset + chunk.length;
            return onBytes(offset, bytes);
          },
          cache: this.#isKept ? "no-store" : isFresh ? "reload" : undefined,
          signal,
        });
        if (bytes < shard.bytes) throw wrongSize(shard, `${bytes}`);
        return;
      } catch (error) {
        if (!(error instanceof TenstepError) || error.code !== "fetch-failed" || tried === this.#manifestUrls.length) throw error;
        this.#leave(place);
      }
    }
  }

  /** Other lanes may have left the place before. */
  #leave(place: number): void {
    if (this.#place === place) this.#place = (place + 1) % this.#manifestUrls.length;
  }
}

function wrongSize({ file, bytes }: ShardInfo, actual: string): TenstepError {
  return new TenstepError("shard-size", `shard ${file} must hold ${bytes} bytes, not ${actual}`);
}
