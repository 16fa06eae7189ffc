// What loads have kept in this browser, for pages: which models there are, what they take, and how to be rid of them.

import { TenstepError } from "./errors.js";
import { ifFree } from "./store/lock.js";
import { readRecords, removeRecord } from "./store/model-records.js";
import { openStores } from "./store/open.js";
import { SHARD_PREFIX, shardFileName, verifiedBytes } from "./store/shard-entry.js";

/** A model that this browser keeps, whole or in part. */
export interface StoredModel {
  /** The address it was loaded from, and what `remove` takes. */
  manifest: string;
  /** As its manifest names it. */
  name: string;
  /** The revision that is kept. */
  revision: string;
  /** Bytes of its shards that are here; models may share some. */
  bytes: number;
  /** Bytes of all its shards. */
  totalBytes: number;
  /** Whether all of it is here and was verified, so that it loads without a network. */
  isComplete: boolean;
  /** When it was last loaded. */
  lastUsed: Date;
}

/** What everything kept in this browser takes. */
export interface StorageSize {
  /** Bytes that Tenstep keeps, unfinished downloads included. */
  bytes: number;
  /** Bytes that the browser lets this origin use in all; null where it does not say. */
  quotaBytes: number | null;
  /** Whether the browser has promised not to evict anything of this origin. */
  persisted: boolean;
}

/** Everything about models kept in this browser. Without a browser, and in frames without an origin of their own, there are none. */
export const storage = {
  /** The models that are kept, the last used first. */
  async list(): Promise<StoredModel[]> {
    const perStore = await Promise.all(
      (await openStores()).map(async (store) => {
        const bytes = new Map((await store.list()).map((file) => [file.name, file.bytes]));
        return (await readRecords(store)).map(({ manifestUrl, name, revision, shards, lastUsed }): StoredModel => {
          const there = shards.map((shard) => ({ ...shard, there: bytes.get(shardFileName(shard.sha256)) ?? 0 }));
          return {
            manifest: manifestUrl,
            name,
            revision,
            bytes: there.reduce((sum, shard) => sum + Math.min(shard.there, shard.bytes), 0),
            totalBytes: shards.reduce((sum, shard) => sum + shard.bytes, 0),
            isComplete: there.every((shard) => shard.there === verifiedBytes(shard.bytes)),
            lastUsed: new Date(lastUsed),
          };
        });
      }),
    );
    return perStore.flat().sort((one, other) => other.lastUsed.getTime() - one.lastUsed.getTime());
  },

  /** What all kept models and unfinished downloads take, and what there is room for. */
  async size(): Promise<StorageSize> {
    const files = await Promise.all((await openStores()).map((store) => store.list()));
    const manager = globalThis.navigator?.storage;
    return {
      bytes: files.flat().reduce((sum, file) => sum + file.bytes, 0),
      quotaBytes: (await manager?.estimate?.().catch(refused))?.quota ?? null,
      persisted: (await manager?.persisted?.().catch(refused)) ?? false,
    };
  },

  /** Removes a model, given as `list` gave it or by the address of its manifest. Loaded models go on, and loads under way do too. */
  async remove(model: StoredModel | string | URL): Promise<void> {
    const manifestUrl = addressOf(model);
    for (const store of await openStores()) {
      const record = (await readRecords(store)).find((one) => one.manifestUrl === manifestUrl);
      if (record) await removeRecord(store, record);
    }
  },

  /** Removes everything but the shards that loads have in hand at this moment. */
  async clear(): Promise<void> {
    for (const store of await openStores()) {
      // Records first: a shard without a record is only a shard that nobody has asked for again.
      const names = (await store.list()).map(({ name }) => name).sort((one, other) => rank(one) - rank(other));
      for (const name of names) await ifFree(name, () => store.remove(name));
    }
  },

  /** Asks the browser never to evict what this origin keeps; some browsers ask the person. Gives whether it has promised. */
  async persist(): Promise<boolean> {
    return (await globalThis.navigator?.storage?.persist?.().catch(refused)) ?? false;
  },
};

/** Browsers refuse to answer frames that have no origin of their own. */
function refused(): null {
  return null;
}

function rank(name: string): number {
  return name.startsWith(SHARD_PREFIX) ? 1 : 0;
}

function addressOf(model: StoredModel | string | URL): string {
  const address = typeof model === "object" && "manifest" in model ? model.manifest : model;
  try {
    return new URL(address, globalThis.document?.baseURI).href;
  } catch {
    throw new TenstepError("invalid-option", "model must be one that storage.list gave, or the address of its manifest");
  }
}
