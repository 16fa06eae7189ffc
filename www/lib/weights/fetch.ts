// From the store or the network to the device: a few shards at a time, each verified and uploaded by the engine, then kept and forgotten.

import type { Engine, ModelToLoad, ShardInfo } from "../engine.js";
import { Serial } from "../serial.js";
import type { ShardEntry } from "../store/shard-entry.js";
import type { ShardStore } from "../store/shard-store.js";
import { ByteCount, type Bytes } from "./byte-count.js";
import type { ShardSource } from "./source.js";

/** Shards in flight. Each lane owns one buffer, so this times the largest shard is all that is held. */
const LANES = 4;
/** What the store or an HTTP cache gives may be damaged or older: then once more, past them. */
const CHANCES = ["stored", "fetched", "fresh"] as const;

export interface PushShards {
  engine: Engine;
  loading: ModelToLoad;
  store: ShardStore;
  source: ShardSource;
  onBytes: (bytes: Bytes) => void;
  signal?: AbortSignal | undefined;
}

/** Resolves when the engine holds every shard. The first failure stops all lanes. */
export async function pushShards({ engine, loading, store, source, onBytes, signal }: PushShards): Promise<void> {
  const { model, shards } = loading;
  const bufferBytes = shards.reduce((most, shard) => Math.max(most, shard.bytes), 0);
  const count = new ByteCount(shards.length, onBytes);
  const failure = new AbortController();
  const stop = signal ? AbortSignal.any([signal, failure.signal]) : failure.signal;
  const uploads = new Serial();
  let next = 0;

  const push = ({ shard, bytes }: ShardInfo, buffer: Uint8Array) =>
    uploads.run(() => {
      stop.throwIfAborted();
      return engine.pushShard(model, shard, buffer.subarray(0, bytes));
    });

  /** From wherever it is to the engine. The entry has it then, if it can. */
  const load = async (index: number, buffer: Uint8Array, entry: ShardEntry) => {
    const shard = shards[index] as ShardInfo;
    let there = await entry.read(buffer);
    let cached = there;
    const counted = () => count.set(index, { cached, network: there - cached });
    const startOver = () => {
      there = cached = 0;
      return entry.clear();
    };
    const onBytes = async (from: number, to: number) => {
      if (from === 0) await startOver();
      there = to;
      counted();
      await entry.keep(buffer, to);
    };
    const complete = async (isFresh: boolean) => {
      if (there < shard.bytes) await source.read({ shard, buffer, from: there, isFresh, onBytes, signal: stop });
      await push(shard, buffer);
    };
    counted();
    try {
      for (const chance of there > 0 ? CHANCES : CHANCES.slice(1)) {
        try {
          await complete(chance === "fresh");
          break;
        } catch (error) {
          if (!isDamaged(error)) throw error;
          await startOver();
          if (chance === "fresh") throw error;
          counted();
        }
      }
      count.upload(shard.bytes);
      await entry.markVerified(buffer);
    } finally {
      await entry.close(buffer, there);
    }
  };

  const lane = async () => {
    const buffer = new Uint8Array(bufferBytes);
    while (next < shards.length) {
      const index = next++;
      stop.throwIfAborted();
      await store.withEntry(shards[index] as ShardInfo, stop, (entry) => load(index, buffer, entry));
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
