// How far a load is, in bytes of shards, by where they came from.

export interface Bytes {
  cached: number;
  network: number;
  uploaded: number;
}

export class ByteCount {
  #shards: { cached: number; network: number }[];
  #sum: Bytes = { cached: 0, network: 0, uploaded: 0 };
  #onBytes: (bytes: Bytes) => void;

  constructor(shards: number, onBytes: (bytes: Bytes) => void) {
    this.#shards = Array.from({ length: shards }, () => ({ cached: 0, network: 0 }));
    this.#onBytes = onBytes;
  }

  /** What there is of a shard; less than before where it starts over. */
  set(index: number, now: { cached: number; network: number }): void {
    const before = this.#shards[index]!;
    if (before.cached === now.cached && before.network === now.network) return;
    this.#sum.cached += now.cached - before.cached;
    this.#sum.network += now.network - before.network;
    this.#shards[index] = now;
    this.#onBytes({ ...this.#sum });
  }

  upload(bytes: number): void {
    this.#sum.uploaded += bytes;
    this.#onBytes({ ...this.#sum });
  }
}
