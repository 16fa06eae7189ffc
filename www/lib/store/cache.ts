// Cache Storage: a file is a row of responses, one a piece, each under the file's name and the offset of the piece.

import { STORE_NAME, type Store, type StoredFile, type StoredFileInfo } from "./store.js";

/** Never fetched: keys of a cache have to look like addresses. */
const BASE = "https://tenstep.invalid/";
const PIECE_BYTES = 1 << 20;

/** Rejects where there is no Cache Storage. */
export async function openCache(): Promise<Store> {
  return new CacheStore(await caches.open(STORE_NAME));
}

class CacheStore implements Store {
  readonly kind = "cache";
  #cache: Cache;

  constructor(cache: Cache) {
    this.#cache = cache;
  }

  async open(name: string): Promise<StoredFile> {
    return CachedFile.open(this.#cache, name);
  }

  async list(): Promise<StoredFileInfo[]> {
    const files = new Map<string, StoredFileInfo>();
    for (const { name, request } of await this.#pieces()) {
      const piece = await this.#cache.match(request);
      if (!piece) continue;
      const file = files.get(name) ?? { name, bytes: 0, changedAt: 0 };
      file.bytes += bytesOf(piece);
      file.changedAt = Math.max(file.changedAt, Date.parse(piece.headers.get("last-modified") ?? "") || 0);
      files.set(name, file);
    }
    return [...files.values()];
  }

  async readText(name: string): Promise<string | null> {
    return (await this.#cache.match(keyOf(name, 0)))?.text() ?? null;
  }

  async writeText(name: string, text: string): Promise<void> {
    await this.#cache.put(keyOf(name, 0), response(new TextEncoder().encode(text)));
  }

  async overwriteStart(name: string, start: string): Promise<boolean> {
    const text = await this.readText(name);
    if (text !== null) await this.writeText(name, start + text.slice(start.length));
    return text !== null;
  }

  async remove(name: string): Promise<void> {
    const mine = (await this.#pieces()).filter((piece) => piece.name === name);
    await Promise.all(mine.map(({ request }) => this.#cache.delete(request)));
  }

  async #pieces(): Promise<{ name: string; request: Request }[]> {
    const requests = await this.#cache.keys();
    return requests.map((request) => ({ name: request.url.slice(BASE.length).split("/")[0]!, request }));
  }
}

class CachedFile implements StoredFile {
  readonly pieceBytes = PIECE_BYTES;
  bytes = 0;
  #cache: Cache;
  #name: string;
  #offsets: number[] = [];

  private constructor(cache: Cache, name: string) {
    this.#cache = cache;
    this.#name = name;
  }

  static async open(cache: Cache, name: string): Promise<CachedFile> {
    const file = new CachedFile(cache, name);
    for (;;) {
      const piece = await cache.match(keyOf(name, file.bytes));
      // A piece without bytes would be met for ever.
      if (!piece || bytesOf(piece) === 0) return file;
      file.#offsets.push(file.bytes);
      file.bytes += bytesOf(piece);
    }
  }

  async read(into: Uint8Array): Promise<number> {
    let count = 0;
    for (const offset of this.#offsets) {
      if (count === into.length) break;
      const piece = await this.#cache.match(keyOf(this.#name, offset));
      if (!piece) break;
      const bytes = new Uint8Array(await piece.arrayBuffer()).subarray(0, into.length - count);
      into.set(bytes, count);
      count += bytes.length;
    }
    return count;
  }

  async append(piece: Uint8Array<ArrayBuffer>): Promise<void> {
    await this.#cache.put(keyOf(this.#name, this.bytes), response(piece));
    this.#offsets.push(this.bytes);
    this.bytes += piece.length;
  }

  async clear(): Promise<void> {
    // From the end: what a crash leaves behind is still without a hole.
    for (const offset of this.#offsets.reverse()) await this.#cache.delete(keyOf(this.#name, offset));
    this.#offsets = [];
    this.bytes = 0;
  }

  close(): void {}
}

function keyOf(name: string, offset: number): string {
  return `${BASE}${name}/${offset}`;
}

function response(bytes: Uint8Array<ArrayBuffer>): Response {
  return new Response(bytes, { headers: { "content-length": `${bytes.length}`, "last-modified": new Date().toUTCString() } });
}

function bytesOf(piece: Response): number {
  return Number(piece.headers.get("content-length")) || 0;
}
