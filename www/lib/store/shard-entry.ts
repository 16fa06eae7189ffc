// One shard in a store: its bytes as far as they have come, then, once the engine has verified them, one byte that says so.

import type { ShardInfo } from "../engine.js";
import type { StoredFile } from "./store.js";

const VERIFIED = Uint8Array.of(1);

/** Begins the names of shards; their SHA-256 ends them, so models and tabs share what is the same. */
export const SHARD_PREFIX = "shard-";

export function shardFileName(sha256: string): string {
  return `${SHARD_PREFIX}${sha256}`;
}

/** How long a file is that holds all of a shard and its mark. */
export function verifiedBytes(shardBytes: number): number {
  return shardBytes + VERIFIED.length;
}

/**
 * What loading does with an entry. An error of the store goes to `onTrouble`, once, and the entry then keeps nothing more:
 * the load goes on without.
 */
export class ShardEntry {
  #file: StoredFile | null;
  #shardBytes: number;
  #onTrouble: (error: unknown) => void;
  /** Bytes of the shard that are in the file. */
  #kept = 0;
  #isVerified = false;

  constructor(file: StoredFile | null, shard: ShardInfo, onTrouble: (error: unknown) => void) {
    this.#file = file;
    this.#shardBytes = shard.bytes;
    this.#onTrouble = onTrouble;
  }

  /** Fills the buffer's start with what is there; gives the number of bytes. They are not verified by that. */
  async read(buffer: Uint8Array): Promise<number> {
    await this.#try(async (file) => {
      const { bytes } = file;
      const wanted = Math.min(bytes, this.#shardBytes);
      const isSound = bytes <= verifiedBytes(this.#shardBytes) && (await file.read(buffer.subarray(0, wanted))) === wanted;
      if (!isSound) return file.clear();
      this.#kept = wanted;
      this.#isVerified = bytes === verifiedBytes(this.#shardBytes);
    });
    return this.#kept;
  }

  /** Keeps the buffer's first `bytes` bytes, of which those kept before are still the same. */
  async keep(buffer: Uint8Array, bytes: number): Promise<void> {
    await this.#try(async (file) => {
      if (bytes - this.#kept >= file.pieceBytes) await this.#append(file, buffer, bytes);
    });
  }

  /** The engine has verified the buffer's first bytes as the whole shard. */
  async markVerified(buffer: Uint8Array): Promise<void> {
    await this.#try(async (file) => {
      if (this.#isVerified) return;
      await this.#append(file, buffer, this.#shardBytes);
      await file.append(VERIFIED);
      this.#isVerified = true;
    });
  }

  /** What is there is damaged, or of no more use. */
  async clear(): Promise<void> {
    this.#kept = 0;
    this.#isVerified = false;
    await this.#try((file) => file.clear());
  }

  /** Ends the use of the entry; the buffer's first `bytes` bytes are kept for a later load. */
  async close(buffer: Uint8Array, bytes: number): Promise<void> {
    await this.#try(async (file) => {
      if (!this.#isVerified) await this.#append(file, buffer, bytes);
      file.close();
    });
  }

  async #append(file: StoredFile, buffer: Uint8Array, bytes: number): Promise<void> {
    if (bytes <= this.#kept) return;
    await file.append(buffer.subarray(this.#kept, bytes));
    this.#kept = bytes;
  }

  async #try(work: (file: StoredFile) => Promise<void>): Promise<void> {
    const file = this.#file;
    if (!file) return;
    try {
      await work(file);
    } catch (error) {
      this.#file = null;
      this.#kept = 0;
      // Half an entry on a full disk helps nobody; a store that cannot even do this is told of already.
      await file.clear().catch(() => undefined);
      try {
        file.close();
      } catch {
        // Its file is gone.
      }
      this.#onTrouble(error);
    }
  }
}
