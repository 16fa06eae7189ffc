// The store as loading uses it: whatever goes wrong with it costs the store, never the load.

import type { ShardInfo } from "../engine.js";
import { alone } from "./lock.js";
import type { OpenedStore } from "./open.js";
import { ShardEntry, shardFileName } from "./shard-entry.js";
import type { Store, StoreKind } from "./store.js";

export class ShardStore {
  #store: Store | null;
  #reason: string;

  constructor({ store, reason }: OpenedStore) {
    this.#store = store;
    this.#reason = reason;
  }

  /** `none` also where there is none any more. */
  get kind(): StoreKind | "none" {
    return this.#store?.kind ?? "none";
  }

  /** A sentence for people: what keeps the model, or why nothing does. */
  get reason(): string {
    return this.#reason;
  }

  /** Runs `job` with the entry of a shard. No other tab or engine has it meanwhile; aborting ends the wait for one that does. */
  async withEntry<T>(shard: ShardInfo, signal: AbortSignal, job: (entry: ShardEntry) => Promise<T>): Promise<T> {
    const giveUp = (error: unknown) => this.giveUp(error);
    const withoutStore = () => job(new ShardEntry(null, shard, giveUp));
    if (!this.#store) return withoutStore();
    const name = shardFileName(shard.sha256);
    return alone(name, signal, async () => {
      const file = await this.#store?.open(name).catch(giveUp);
      return file ? job(new ShardEntry(file, shard, giveUp)) : withoutStore();
    });
  }

  /** What `job` gives, or null where there is no store, or where it fails. */
  async use<T>(job: (store: Store) => Promise<T>): Promise<T | null> {
    if (!this.#store) return null;
    return job(this.#store).catch((error) => {
      this.giveUp(error);
      return null;
    });
  }

  /** Goes on without the store. */
  giveUp(error: unknown): void {
    if (!this.#store) return;
    this.#store = null;
    const isFull = error instanceof DOMException && error.name === "QuotaExceededError";
    const why = error instanceof Error ? error.message : String(error);
    this.#reason = isFull
      ? `The browser's storage is full, so not all of the model is kept (${why}).`
      : `The browser's storage failed, so not all of the model is kept (${why}).`;
  }
}
