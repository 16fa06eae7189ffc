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
  /** Pictures that the database would not take, by numbers that it never gives. */
  #inMemory = new Map<number, Kept>();

  private constructor(database: IDBDatabase | null) {
    this.#database = database;
    // Site data was cleared, or a page of a later version waits for this one to let go.
    database?.addEventListener("close", () => (this.#database = null));
    database?.addEventListener("versionchange", () => {
      database.close();
      this.#database = null;
    });
  }

  static async open(): Promise<AlbumStore> {
    return new AlbumStore(await openDatabase().catch(() => null));
  }

  /** Whether all that was added survives a reload. */
  get isLasting(): boolean {
    return this.#database !== null && this.#inMemory.size === 0;
  }

  /** All pictures, newest first. */
  async all(): Promise<Kept[]> {
    const stored = this.#database ? await done<Kept[]>(pictures(this.#database, "readonly").getAll()) : [];
    return [...stored, ...this.#inMemory.values()].reverse();
  }

  /** Keeps a picture, and lets go of the oldest beyond the limit. */
  async add(entry: Entry): Promise<Kept> {
    try {
      if (this.#database) return await store(this.#database, entry);
    } catch {
      // A full disk. The picture itself is not lost.
    }
    const kept = { ...entry, id: -1 - this.#inMemory.size - Date.now() };
    this.#inMemory.set(kept.id, kept);
    return kept;
  }

  async delete(id: number): Promise<void> {
    this.#inMemory.delete(id);
    if (this.#database) await done(pictures(this.#database, "readwrite").delete(id));
  }

  async clear(): Promise<void> {
    this.#inMemory.clear();
    if (this.#database) await done(pictures(this.#database, "readwrite").clear());
  }
}

/** Resolves once the picture is safe. */
async function store(database: IDBDatabase, entry: Entry): Promise<Kept> {
  const all = pictures(database, "readwrite");
  const { transaction } = all;
  const isSafe = new Promise<void>((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
  isSafe.catch(() => undefined); // Awaited below, unless a request fails first.
  const id = Number(await done(all.add(entry)));
  const ids = await done(all.getAllKeys());
  const tooMany = ids.length - MAX_ENTRIES;
  if (tooMany > 0) all.delete(IDBKeyRange.upperBound(ids[tooMany - 1]));
  await isSafe;
  return { ...entry, id };
}

function pictures(database: IDBDatabase, mode: IDBTransactionMode): IDBObjectStore {
  return database.transaction(STORE, mode).objectStore(STORE);
}

async function openDatabase(): Promise<IDBDatabase> {
  // Where storage is switched off this throws, or there is no `indexedDB` at all.
  const request = indexedDB.open(DATABASE, 1);
  request.onupgradeneeded = () => request.result.createObjectStore(STORE, { keyPath: "id", autoIncrement: true });
  return done(request);
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
