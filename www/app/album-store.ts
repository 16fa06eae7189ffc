// The album's pictures in IndexedDB, numbered in the order they came. Where the browser keeps nothing (private windows, a full
// disk, storage switched off) they live as long as the page, and `isLasting` says so.

import type { Entry } from "./entry.js";

/** The oldest beyond these go. */
export const MAX_ENTRIES = 200;

const DATABASE = "tenstep-album";
const STORE = "pictures";

export type Kept = Entry & { id: number };

export class AlbumStore {
  #database: IDBDatabase | null;
  #inMemory = new Map<number, Kept>();

  private constructor(database: IDBDatabase | null) {
    this.#database = database;
  }

  static async open(): Promise<AlbumStore> {
    return new AlbumStore(await openDatabase().catch(() => null));
  }

  /** Whether what is added survives a reload. */
  get isLasting(): boolean {
    return this.#database !== null;
  }

  /** All pictures, newest first. */
  async all(): Promise<Kept[]> {
    const stored = this.#database ? await done<Kept[]>(this.#pictures("readonly").getAll()) : [];
    return [...stored, ...this.#inMemory.values()].reverse();
  }

  /** Keeps a picture, and lets go of the oldest beyond the limit. */
  async add(entry: Entry): Promise<Kept> {
    if (!this.#database) return this.#remember(entry);
    try {
      const pictures = this.#pictures("readwrite");
      const id = Number(await done(pictures.add(entry)));
      const ids = await done(pictures.getAllKeys());
      const tooMany = ids.length - MAX_ENTRIES;
      if (tooMany > 0) await done(pictures.delete(IDBKeyRange.upperBound(ids[tooMany - 1])));
      return { ...entry, id };
    } catch {
      // A full disk, or storage that was cleared meanwhile: the picture itself is not lost.
      this.#database.close();
      this.#database = null;
      return this.#remember(entry);
    }
  }

  async delete(id: number): Promise<void> {
    this.#inMemory.delete(id);
    if (this.#database) await done(this.#pictures("readwrite").delete(id));
  }

  async clear(): Promise<void> {
    this.#inMemory.clear();
    if (this.#database) await done(this.#pictures("readwrite").clear());
  }

  #pictures(mode: IDBTransactionMode): IDBObjectStore {
    return (this.#database as IDBDatabase).transaction(STORE, mode).objectStore(STORE);
  }

  #remember(entry: Entry): Kept {
    // Numbers that the database never gives.
    const kept = { ...entry, id: -1 - this.#inMemory.size - Date.now() };
    this.#inMemory.set(kept.id, kept);
    const [oldest] = this.#inMemory.keys();
    if (this.#inMemory.size > MAX_ENTRIES && oldest !== undefined) this.#inMemory.delete(oldest);
    return kept;
  }
}

async function openDatabase(): Promise<IDBDatabase> {
  // Where storage is switched off this throws, or there is no `indexedDB` at all.
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id", autoIncrement: true });
  const database = await done(request);
  // A page of a later version waits for this one to let go.
  database.onversionchange = () => database.close();
  return database;
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
