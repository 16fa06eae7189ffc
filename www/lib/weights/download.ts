// One GET: an upper bound on what is received, abort, and retries after network failures.

import { TenstepError } from "../errors.js";

const ATTEMPTS = 3;
const FIRST_PAUSE_MILLIS = 300;
const CHUNK_BYTES = 256 * 1024;

export interface Download {
  url: string;
  /** A longer body is cut off as soon as that is known, from its header where there is one. */
  limitBytes: number;
  /** The error for a longer body, given its length as far as it is known. */
  tooLong: (bytes: number) => Error;
  /** Called for each piece of the body. Offset 0 says that the body starts, or starts over. */
  onChunk: (chunk: Uint8Array, offset: number) => void;
  signal?: AbortSignal | undefined;
  /** Goes past the browser's HTTP cache: what it gave before was damaged. */
  isFresh?: boolean | undefined;
}

/** Resolves to the length of the body in bytes. */
export async function download(wanted: Download): Promise<number> {
  const { url, signal } = wanted;
  for (let attempt = 1; ; attempt++) {
    try {
      const response = await fetch(url, { ...(signal && { signal }), ...(wanted.isFresh && { cache: "reload" }) });
      if (!response.ok) throw new HttpFailure(response.status);
      return await receive(response, wanted);
    } catch (error) {
      signal?.throwIfAborted();
      // The browser reports network failures as TypeError, while asking or while the body streams.
      const canPass = error instanceof HttpFailure ? error.canPass : error instanceof TypeError;
      if (!canPass && !(error instanceof HttpFailure)) throw error;
      if (!canPass || attempt === ATTEMPTS) {
        const count = attempt > 1 ? ` after ${attempt} attempts` : "";
        throw new TenstepError("fetch-failed", `${url} could not be fetched${count}: ${(error as Error).message}`, { cause: error });
      }
      await pause(FIRST_PAUSE_MILLIS * 2 ** (attempt - 1), signal);
    }
  }
}

async function receive(response: Response, { limitBytes, tooLong, onChunk }: Download): Promise<number> {
  const chunks = chunksOf(response.body!);
  try {
    // Under a content encoding the header counts packed bytes: then only the body itself tells.
    const announced = response.headers.has("content-encoding") ? null : response.headers.get("content-length");
    if (announced !== null && Number(announced) > limitBytes) throw tooLong(Number(announced));
    let received = 0;
    for (;;) {
      const chunk = await chunks.next();
      if (chunk === null) return received;
      if (received + chunk.length > limitBytes) throw tooLong(received + chunk.length);
      onChunk(chunk, received);
      received += chunk.length;
    }
  } catch (error) {
    chunks.cancel();
    throw error;
  }
}

interface Chunks {
  /** Valid until the next call; null at the end. */
  next(): Promise<Uint8Array | null>;
  cancel(): void;
}

/**
 * The pieces of a body, all through one buffer where the browser allows it: a fresh buffer a piece would pile up by the
 * hundred megabytes before the garbage collector comes.
 */
function chunksOf(body: ReadableStream<Uint8Array>): Chunks {
  const cancelled = (reader: ReadableStreamBYOBReader | ReadableStreamDefaultReader) => () => void reader.cancel().catch(() => undefined);
  try {
    const reader = body.getReader({ mode: "byob" });
    let buffer = new ArrayBuffer(CHUNK_BYTES);
    const next = async () => {
      const { done, value } = await reader.read(new Uint8Array(buffer));
      if (done) return null;
      buffer = value.buffer;
      return value;
    };
    return { next, cancel: cancelled(reader) };
  } catch {
    // Not every browser gives bodies as streams of bytes.
    const reader = body.getReader();
    return { next: async () => (await reader.read()).value ?? null, cancel: cancelled(reader) };
  }
}

class HttpFailure extends Error {
  /** Whether asking again can help. */
  readonly canPass: boolean;

  constructor(status: number) {
    super(`HTTP ${status}`);
    this.canPass = status >= 500 || status === 429 || status === 408;
  }
}

function pause(millis: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", abort);
      resolve();
    }, millis);
    signal?.addEventListener("abort", abort, { once: true });
  });
}
