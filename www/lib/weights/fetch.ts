// From a source to the device: a few shards at a time, each verified and uploaded by the engine, then forgotten.

import type { Engine, ModelToLoad, ShardInfo } from "../engine.js";
import { Serial } from "../serial.js";
import type { ShardSource } from "./source.js";

/** Shards in flight. Each lane owns one buffer, so this times the largest shard is all that is held. */
const LANES = 4;

export interface PushShards {
  engine: Engine;
  loading: ModelToLoad;
  source: ShardSource;
  onBytes: (loadedBytes: number) => void;
  signal?: AbortSignal | undefined;
}

/** Resolves when the engine holds every shard. The first failure stops all lanes. */
export async function pushShards({ engine, loading, source, onBytes, signal }: PushShards): Promise<void> {
  const { model, shards } = loading;
  const bufferBytes = shards.reduce((most, shard) => Math.max(most, shard.bytes), 0);
  const receivedBytes = shards.map(() => 0);
  let loadedBytes = 0;
  const failure = new AbortController();
  const stop = signal ? AbortSignal.any([signal, failure.signal]) : failure.signal;
  const uploads = new Serial();
  let next = 0;

  const lane = async () => {
    const buffer = new Uint8Array(bufferBytes);
    while (next < shards.length) {
      const index = next++;
      const shard = shards[index] as ShardInfo;
      const onShardBytes = (bytes: number) => {
        loadedBytes += bytes - (receivedBytes[index] ?? 0);
        receivedBytes[index] = bytes;
        onBytes(loadedBytes);
      };
      const readAndPush = async (isFresh: boolean) => {
        const bytes = await source.read({ shard, buffer, isFresh, onBytes: onShardBytes, signal: stop });
        await uploads.run(() => {
          stop.throwIfAborted();
          return engine.pushShard(model, shard.shard, buffer.subarray(0, bytes));
        });
      };
      // A cache between us and the server may hold a damaged or an older copy: ask once more, past it.
      await readAndPush(false).catch((error: unknown) => {
        if (!isDamaged(error)) throw error;
        return readAndPush(true);
      });
    }
  };

  const lanes = Array.from({ length: Math.min(LANES, shards.length) }, lane);
  try {
    await Promise.all(lanes);
  } catch (error) {
    failure.abort(error);
    await Promise.allSettled(lanes);
    throw error;
  }
}

function isDamaged(error: unknown): boolean {
  const code: unknown = (error as { code?: unknown } | null)?.code;
  return code === "shard-hash" || code === "shard-size";
}
