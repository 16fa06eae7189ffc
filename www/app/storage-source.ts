// What the browser keeps for this page besides the album: models and files for offline use, under names that begin with
// "tenstep". The panel needs no more than this interface.

export interface StoredItem {
  name: string;
  bytes: number;
}

export interface StorageSource {
  /** What is kept, with its real size. */
  list(): Promise<StoredItem[]>;
  /** What the browser counts and allows for the whole site; absent where it does not say. */
  estimate(): Promise<{ usage?: number | undefined; quota?: number | undefined; isPersistent: boolean }>;
  /** Deletes all that `list` names. */
  clear(): Promise<void>;
}

const PREFIX = "tenstep";

/** Cache Storage and the origin's private file system, looked at as they lie. */
export const storageSource: StorageSource = {
  async list() {
    return [...(await cachedItems()), ...(await fileItems())];
  },
  async estimate() {
    const { usage, quota } = (await navigator.storage?.estimate?.()) ?? {};
    return { usage, quota, isPersistent: (await navigator.storage?.persisted?.()) ?? false };
  },
  async clear() {
    for (const { name } of await cachedItems()) await caches.delete(name);
    const root = await privateRoot();
    for (const { name } of await fileItems()) await root?.removeEntry(name, { recursive: true });
  },
};

async function cachedItems(): Promise<StoredItem[]> {
  if (!globalThis.caches) return [];
  const names = (await caches.keys()).filter((name) => name.startsWith(PREFIX));
  return Promise.all(
    names.map(async (name) => {
      const cache = await caches.open(name);
      let bytes = 0;
      for (const request of await cache.keys()) bytes += (await (await cache.match(request))?.blob())?.size ?? 0;
      return { name, bytes };
    }),
  );
}

async function fileItems(): Promise<StoredItem[]> {
  const items: StoredItem[] = [];
  for await (const [name, handle] of (await privateRoot())?.entries() ?? []) {
    if (name.startsWith(PREFIX)) items.push({ name, bytes: await bytesOf(handle) });
  }
  return items;
}

async function bytesOf(handle: FileSystemHandle): Promise<number> {
  if (handle instanceof FileSystemFileHandle) return (await handle.getFile()).size;
  let bytes = 0;
  if (handle instanceof FileSystemDirectoryHandle) for await (const inside of handle.values()) bytes += await bytesOf(inside);
  return bytes;
}

/** Some browsers have none, and some refuse it in private windows. */
async function privateRoot(): Promise<FileSystemDirectoryHandle | undefined> {
  return navigator.storage?.getDirectory?.().catch(() => undefined);
}
