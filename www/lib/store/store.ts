// What loading needs of a place that outlives the page: files by name that grow at their end.

/** Begins every name we own in the browser: the folder, the cache, the locks. Another layout of entries takes another version. */
export const STORE_NAME = "tenstep-v1";

export type StoreKind = "opfs" | "cache";

export interface Store {
  readonly kind: StoreKind;
  /** For reading and growing, by one holder at a time; made where there is none. With OPFS only in a worker. */
  open(name: string): Promise<StoredFile>;
  list(): Promise<StoredFileInfo[]>;
  /** Null where there is no such file. */
  readText(name: string): Promise<string | null>;
  writeText(name: string, text: string): Promise<void>;
  /** Overwrites the few ASCII characters that a file starts with; gives whether there is such a file. */
  overwriteStart(name: string, start: string): Promise<boolean>;
  /** Nothing happens where there is no such file. */
  remove(name: string): Promise<void>;
}

export interface StoredFile {
  readonly bytes: number;
  /** Appending less than this at a time is wasteful. */
  readonly pieceBytes: number;
  /** Fills `into` from the file's start; gives the number of bytes. */
  read(into: Uint8Array): Promise<number>;
  append(piece: Uint8Array): Promise<void>;
  clear(): Promise<void>;
  close(): void;
}

export interface StoredFileInfo {
  name: string;
  bytes: number;
  /** Milliseconds since 1970. */
  changedAt: number;
}
