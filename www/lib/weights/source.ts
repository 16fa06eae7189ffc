// Where shards come from. The network today; a persistent store can be put in front by implementing the same interface.

import type { ShardInfo } from "../engine.js";
import { TenstepError } from "../errors.js";
import { download } from "./download.js";

export interface ShardRequest {
  shard: ShardInfo;
  /** At least `shard.bytes` long. The source fills its start, and may use it again after the shard is verified. */
  buffer: Uint8Array;
  /** The copy that this source gave before was damaged: get another. */
  isFresh: boolean;
  /** Bytes received so far; may start over. */
  onBytes: (receivedBytes: number) => void;
  signal?: AbortSignal | undefined;
}

export interface ShardSource {
  /** Fills the buffer and gives the number of bytes, or rejects: `fetch-failed`, or `shard-size` for too many. */
  read(request: ShardRequest): Promise<number>;
}

/** Shards on the server that the manifest came from. */
export class HttpShards implements ShardSource {
  #manifestUrl: string;

  constructor(manifestUrl: string) {
    this.#manifestUrl = manifestUrl;
  }

  read({ shard, buffer, isFresh, onBytes, signal }: ShardRequest): Promise<number> {
    return download({
      url: new URL(shard.file, this.#manifestUrl).href,
      limitBytes: shard.bytes,
      tooLong: (bytes) =>
        new TenstepError("shard-size", `shard ${shard.file} must hold ${shard.bytes} bytes, not ${bytes} or more`),
      onChunk: (chunk, offset) => {
        buffer.set(chunk, offset);
        onBytes(offset + chunk.length);
      },
      isFresh,
      signal,
    });
  }
}
