// From the store or the network to the device: a few shards at a time, each verified and uploaded by the engine, then forgotten.

import type { Engine, ModelToLoad, ShardInfo } from "../engine.js";
import type { Serial } from "../serial.js";
import type { ShardStore } from "../store/shard-store.js";
import { ByteCount, type Bytes } from "./byte-count.js";
import { ShardLoad } from "./shard-load.js";
import type { ShardSource } from "./source.js";

/** Shards in flight. Each lane owns one buffer, so this times the largest shard is all that is held. */
const LANES = 4;

export interface PushShards {
  engine: Engine;
  /** Where the engine's work waits for its turn. */
  turns: Serial;
  loading: ModelToLoad;
  store: ShardStore;
  source: ShardSource;
  onBytes: (bytes: Bytes) => void;
  /** A shard that the engine has taken. The bytes are there during the call only. */
  onVerified?: ((shard: ShardInfo, bytes: Uint8Array, sha256: Uint8Array | undefined) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** Resolves when the engine holds every shard. The first failure stops all lanes. */
export async function pushShards({ engine, turns, loading, store, source, onBytes, onVerified, signal }: PushShards): Promise<void> {
  const { model, shards } = loading;
  const bufferBytes = shards.reduce((most, shard) => Math.max(most, shard.bytes), 0);
  const count = new ByteCount(shards.length, onBytes);
  const failure = new AbortController();
  const stop = signal ? AbortSignal.any([signal, failure.signal]) : failure.signal;
  let next = 0;

  const lane = async () => {
    const buffer = new Uint8Array(bufferBytes);
    while (next < shards.length) {
      const index = next++;
      const shard = shards[index] as ShardInfo;
      const push = async () => {
        const bytes = buffer.subarray(0, shard.bytes);
        const sha256 = await digest(bytes);
        await turns.run(async () => {
          stop.throwIfAborted();
          await engine.pushShard(model, shard.shard, bytes, sha256);
          onVerified?.(shard, bytes, sha256);
        });
      };
      const onShardBytes = (there: { cached: number; network: number }) => count.set(index, there);
      await store.withEntry(shard, stop, (entry) =>
        new ShardLoad({ shard, entry, source, buffer, push, onBytes: onShardBytes, signal: stop }).run(),
      );
      count.upload(shard.bytes);
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

/** By the browser, which takes a tenth of wasm's time and another thread. Only secure pages have that, as they alone have WebGPU. */
async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array | undefined> {
  return globalThis.crypto?.subtle && new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
}
