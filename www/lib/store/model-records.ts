// What a store says of the models in it: one file each, with the manifest, so that a model loads without a network.

import type { ModelToLoad } from "../engine.js";
import { ifFree } from "./lock.js";
import { SHARD_PREFIX, shardFileName } from "./shard-entry.js";
import type { Store } from "./store.js";

const RECORD_PREFIX = "model-";
/** Shards of no model are what a broken download left. They wait this long for the download to go on. */
const PATIENCE_MILLIS = 7 * 24 * 3600 * 1000;

export interface ModelRecord {
  /** Milliseconds since 1970. It comes first, so that it can be written anew over the last, by itself. */
  lastUsed: number;
  /** The address that was loaded, which is also the model's identity here. */
  manifestUrl: string;
  manifest: string;
  name: string;
  revision: string;
  shards: { sha256: string; bytes: number }[];
}

/** Null where there is none, or none that can be read. */
export async function readRecord(store: Store, manifestUrl: string): Promise<ModelRecord | null> {
  const record = recordFromText(await store.readText(await recordFileName(manifestUrl)));
  return record?.manifestUrl === manifestUrl ? record : null;
}

export async function readRecords(store: Store): Promise<ModelRecord[]> {
  const names = (await store.list()).map(({ name }) => name).filter((name) => name.startsWith(RECORD_PREFIX));
  const records = await Promise.all(names.map(async (name) => recordFromText(await store.readText(name))));
  return records.filter((record) => record !== null);
}

/**
 * Writes down that a model was loaded, and removes shards that this leaves without one. Where everything came from the store
 * (`isUnchanged`), only the time is new: nobody waits for more.
 */
export async function writeRecord(
  store: Store, manifestUrl: string, manifest: string, loaded: ModelToLoad, isUnchanged: boolean,
): Promise<void> {
  const { name, revision } = loaded.info;
  const shards = loaded.shards.map(({ sha256, bytes }) => ({ sha256, bytes }));
  const record: ModelRecord = { lastUsed: Date.now(), manifestUrl, manifest, name, revision, shards };
  const file = await recordFileName(manifestUrl);
  // Another tab that is at it writes the same.
  await ifFree(file, async () => {
    if (isUnchanged && (await store.overwriteStart(file, `{"lastUsed":${record.lastUsed}`))) {
      removeUnused(store, []).catch(() => undefined);
      return;
    }
    const before = await readRecord(store, manifestUrl);
    await store.writeText(file, JSON.stringify(record));
    await removeUnused(store, before?.shards ?? []);
  });
}

/** Removes a model, and those of its shards that no other model here has. What a load under way holds stays. */
export async function removeRecord(store: Store, record: ModelRecord): Promise<void> {
  await store.remove(await recordFileName(record.manifestUrl));
  await removeUnused(store, record.shards);
}

/** Shards of no model: those named, which had one before, and those of a download that nobody took up again. */
async function removeUnused(store: Store, candidates: ModelRecord["shards"]): Promise<void> {
  const used = new Set((await readRecords(store)).flatMap(({ shards }) => shards.map(({ sha256 }) => shardFileName(sha256))));
  const named = new Set(candidates.map(({ sha256 }) => shardFileName(sha256)));
  const unused = (await store.list()).filter(({ name, changedAt }) => {
    const isOld = Date.now() - changedAt > PATIENCE_MILLIS;
    return name.startsWith(SHARD_PREFIX) && !used.has(name) && (isOld || named.has(name));
  });
  await Promise.all(unused.map(({ name }) => ifFree(name, () => store.remove(name))));
}

/** A record that a crash cut short, or that is damaged, is none. */
function recordFromText(text: string | null): ModelRecord | null {
  try {
    const record = JSON.parse(text ?? "null") as ModelRecord | null;
    const isRecord = typeof record?.manifestUrl === "string" && typeof record.manifest === "string" && Array.isArray(record.shards);
    return isRecord ? record : null;
  } catch {
    return null;
  }
}

/** An address is no file name; its digest is. */
async function recordFileName(manifestUrl: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(manifestUrl)));
  const hexadecimal = Array.from(digest.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${RECORD_PREFIX}${hexadecimal}`;
}
