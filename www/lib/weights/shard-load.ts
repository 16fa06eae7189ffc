// One shard on its way: what the store has of it, the rest from the network, to the engine, which verifies it, and into the store.

import type { ShardInfo } from "../engine.js";
import type { ShardEntry } from "../store/shard-entry.js";
import type { ShardSource } from "./source.js";

/** What the store or an HTTP cache gives may be damaged or older: then once more, past them. */
const CHANCES = ["stored", "fetched", "fresh"] as const;

export interface ShardLoadParts {
  shard: ShardInfo;
  entry: ShardEntry;
  source: ShardSource;
  /** At least as long as the shard. */
  buffer: Uint8Array;
  /** Hands the buffer to the engine. Rejects with `shard-hash` or `shard-size` where it holds something else. */
  push: () => Promise<void>;
  onBytes: (there: { cached: number; network: number }) => void;
  signal: AbortSignal;
}

export class ShardLoad {
  #parts: ShardLoadParts;
  /** Bytes at the buffer's start, and how many of them were in the store. */
  #there = 0;
  #cached = 0;

  constructor(parts: ShardLoadParts) {
    this.#parts = parts;
  }

  /** Resolves when the engine has the shard. However it ends, the entry keeps what was received. */
  async run(): Promise<void> {
    const { entry, buffer } = this.#parts;
    this.#there = this.#cached = await entry.read(buffer);
    this.#tell();
    try {
      await this.#pushSound();
      await entry.markVerified(buffer);
    } finally {
      await entry.close(buffer, this.#there);
    }
  }

  async #pushSound(): Promise<void> {
    for (const chance of this.#there > 0 ? CHANCES : CHANCES.slice(1)) {
      try {
        await this.#complete(chance === "fresh");
        return await this.#parts.push();
      } catch (error) {
        if (!isDamaged(error)) throw error;
        await this.#startOver();
        if (chance === "fresh") throw error;
        this.#tell();
      }
    }
  }

  async #complete(isFresh: boolean): Promise<void> {
    const { shard, entry, source, buffer, signal } = this.#parts;
    if (this.#there === shard.bytes) return;
    const onBytes = async (from: number, to: number) => {
      if (from === 0) await this.#startOver();
      this.#there = to;
      this.#tell();
      await entry.keep(buffer, to);
    };
    await source.read({ shard, buffer, from: this.#there, isFresh, onBytes, signal });
  }

  async #startOver(): Promise<void> {
    this.#there = this.#cached = 0;
    await this.#parts.entry.clear();
  }

  #tell(): void {
    this.#parts.onBytes({ cached: this.#cached, network: this.#there - this.#cached });
  }
}

function isDamaged(error: unknown): boolean {
  const code: unknown = (error as { code?: unknown } | null)?.code;
  return code === "shard-hash" || code === "shard-size";
}
