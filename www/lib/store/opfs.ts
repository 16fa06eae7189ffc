// The origin private file system. Workers grow files through sync access handles; pages list and remove them.

import { STORE_NAME, type Store, type StoredFile, type StoredFileInfo } from "./store.js";

/** The part of FileSystemSyncAccessHandle used here; TypeScript cannot load a worker's library beside the page's. */
interface SyncAccessHandle {
  getSize(): number;
  read(into: Uint8Array, options: { at: number }): number;
  write(from: Uint8Array, options: { at: number }): number;
  truncate(bytes: number): void;
  flush(): void;
  close(): void;
}

type FileHandle = FileSystemFileHandle & { createSyncAccessHandle?(): Promise<SyncAccessHandle> };
type Folder = FileSystemDirectoryHandle & AsyncIterable<[string, FileSystemHandle]>;

/** A worker that has just been ended may hold its files for a moment longer. */
const PATIENCE_MILLIS = 2000;
const PAUSE_MILLIS = 40;
/** Tabs that load the same model write its record once each. */
const READS = 5;

/** Rejects where there is no such file system, or none that can be written. */
export async function openOpfs(): Promise<Store> {
  const root = await navigator.storage.getDirectory();
  if (!("createSyncAccessHandle" in FileSystemFileHandle.prototype) && !globalThis.document) {
    throw new Error("files cannot be written from a worker here");
  }
  return new OpfsStore((await root.getDirectoryHandle(STORE_NAME, { create: true })) as Folder);
}

class OpfsStore implements Store {
  readonly kind = "opfs";
  #folder: Folder;

  constructor(folder: Folder) {
    this.#folder = folder;
  }

  async open(name: string): Promise<StoredFile> {
    return new OpfsFile(await this.#access(await this.#folder.getFileHandle(name, { create: true })));
  }

  async #access(file: FileHandle): Promise<SyncAccessHandle> {
    for (const began = performance.now(); ; ) {
      try {
        return await file.createSyncAccessHandle!();
      } catch (error) {
        if (!isNamed(error, "NoModificationAllowedError") || performance.now() - began > PATIENCE_MILLIS) throw error;
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLIS));
      }
    }
  }

  async list(): Promise<StoredFileInfo[]> {
    const found: StoredFileInfo[] = [];
    for await (const [name, handle] of this.#folder) {
      const file = await (handle as FileSystemFileHandle).getFile().catch(nullIfMissing);
      if (file) found.push({ name, bytes: file.size, changedAt: file.lastModified });
    }
    return found;
  }

  async readText(name: string): Promise<string | null> {
    for (let tried = 1; ; tried++) {
      try {
        const handle = await this.#folder.getFileHandle(name);
        return await (await handle.getFile()).text();
      } catch (error) {
        // Another tab has written it since: it is another file then.
        if (!isNamed(error, "NotReadableError") || tried === READS) return nullIfMissing(error);
      }
    }
  }

  async writeText(name: string, text: string): Promise<void> {
    const file = await this.open(name);
    try {
      await file.clear();
      await file.append(new TextEncoder().encode(text));
    } finally {
      file.close();
    }
  }

  async overwriteStart(name: string, start: string): Promise<boolean> {
    const file = await this.#folder.getFileHandle(name).catch(nullIfMissing);
    if (!file) return false;
    const handle = await this.#access(file);
    try {
      handle.write(new TextEncoder().encode(start), { at: 0 });
    } finally {
      handle.close();
    }
    return true;
  }

  async remove(name: string): Promise<void> {
    await this.#folder.removeEntry(name).catch(nullIfMissing);
  }
}

class OpfsFile implements StoredFile {
  readonly pieceBytes = 1;
  #handle: SyncAccessHandle;
  #hasChanged = false;

  constructor(handle: SyncAccessHandle) {
    this.#handle = handle;
  }

  get bytes(): number {
    return this.#handle.getSize();
  }

  async read(into: Uint8Array): Promise<number> {
    return this.#handle.read(into, { at: 0 });
  }

  async append(piece: Uint8Array): Promise<void> {
    this.#hasChanged = true;
    const written = this.#handle.write(piece, { at: this.bytes });
    if (written < piece.length) throw new DOMException("the disk took only a part", "QuotaExceededError");
  }

  async clear(): Promise<void> {
    this.#hasChanged = true;
    this.#handle.truncate(0);
  }

  close(): void {
    try {
      if (this.#hasChanged) this.#handle.flush();
    } finally {
      this.#handle.close();
    }
  }
}

function nullIfMissing(error: unknown): null {
  if (isNamed(error, "NotFoundError")) return null;
  throw error;
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof DOMException && error.name === name;
}
