// One file over the network: an upper bound on what is received, abort, and retries that go on at the byte where the last ended.

import { TenstepError } from "../errors.js";

/** Attempts in a row that bring nothing new. */
const ATTEMPTS = 5;
const FIRST_PAUSE_MILLIS = 300;
/** The longest wait that a server may ask for. */
const LONGEST_PAUSE_MILLIS = 60_000;
/** A connection that gives nothing for this long counts as broken. */
const STALL_MILLIS = 30_000;
const CHUNK_BYTES = 256 * 1024;

export interface Download {
  url: string;
  /** Bytes that are there already: the body is asked for from here on, and after a failure from where it ended. Without it each attempt starts over. */
  from?: number | undefined;
  /** A longer body is cut off as soon as that is known, from its header where there is one. */
  limitBytes: number;
  /** The error for a longer body, given its length as far as it is known. */
  tooLong: (bytes: number) => Error;
  /** Called for each piece of the body. Offset 0 says that the body starts, or starts over. */
  onChunk: (chunk: Uint8Array, offset: number) => void | Promise<void>;
  signal?: AbortSignal | undefined;
  /** What the browser's HTTP cache may do: `reload` goes past what it has, `no-store` past all of it. */
  cache?: RequestCache | undefined;
  attempts?: number | undefined;
  stallMillis?: number | undefined;
}

/** Resolves to the length of the whole body in bytes. */
export async function download(wanted: Download): Promise<number> {
  const { url, signal, attempts = ATTEMPTS } = wanted;
  const body = { bytes: wanted.from ?? 0 };
  let most = body.bytes;
  let tried = 0;
  for (let failures = 0; ; ) {
    try {
      tried++;
      if (wanted.from === undefined) body.bytes = 0;
      await attempt(wanted, body);
      return body.bytes;
    } catch (error) {
      signal?.throwIfAborted();
      // The browser reports network failures as TypeError, while asking or while the body streams.
      if (!(error instanceof Failure) && !(error instanceof TypeError)) throw error;
      failures = body.bytes > most ? 1 : failures + 1;
      most = Math.max(most, body.bytes);
      const askedFor = error instanceof Failure ? error.pauseMillis : 0;
      const canPass = !(error instanceof Failure) || error.canPass;
      const isHopeless = most === 0 && globalThis.navigator?.onLine === false;
      if (!canPass || isHopeless || failures >= attempts || askedFor > LONGEST_PAUSE_MILLIS) throw fetchFailed(url, tried, error);
      await pause(Math.max(askedFor, FIRST_PAUSE_MILLIS * 2 ** (failures - 1)), signal);
    }
  }
}

/** One request; `body.bytes` grows with what it brings, and falls to 0 where the body starts over. */
async function attempt(wanted: Download, body: { bytes: number }): Promise<void> {
  const { url, signal, cache, stallMillis = STALL_MILLIS } = wanted;
  const stall = new AbortController();
  const stop = signal ? AbortSignal.any([signal, stall.signal]) : stall.signal;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(() => stall.abort(new Failure(`nothing came for ${stallMillis / 1000} s`)), stallMillis);
  };
  try {
    heard();
    // Without If-Range: it would need a preflight from another origin, and the hash of the whole tells just as well.
    const headers = new Headers(body.bytes > 0 ? { range: `bytes=${body.bytes}-` } : {});
    const response = await fetch(url, { headers, signal: stop, ...(cache && { cache }) });
    if (response.status === 200) body.bytes = 0;
    if (isElsewhere(response, body.bytes)) {
      body.bytes = 0;
      throw new Failure(`HTTP ${response.status}: the server has no such range`);
    }
    if (!response.ok) throw httpFailure(response);
    await receive(response, wanted, body, heard);
  } finally {
    clearTimeout(timer);
    // Of a body that is of no use, nothing more is to come, and its connection is free.
    stall.abort();
  }
}

/** Whether an answer does not go on where the last one ended. Other origins often hide the range: then its status has to do. */
function isElsewhere({ status, headers }: Response, offset: number): boolean {
  if (status !== 206) return status === 416;
  return !(headers.get("content-range") ?? `bytes ${offset}-`).startsWith(`bytes ${offset}-`);
}

async function receive(response: Response, wanted: Download, body: { bytes: number }, heard: () => void): Promise<void> {
  const { limitBytes, tooLong, onChunk } = wanted;
  // Under a content encoding the header counts packed bytes: then only the body itself tells.
  const announced = response.headers.has("content-encoding") ? null : response.headers.get("content-length");
  const whole = announced === null ? 0 : body.bytes + Number(announced);
  if (whole > limitBytes) throw tooLong(whole);
  const next = chunksOf(response.body!);
  for (let chunk; (chunk = await next()) !== null; ) {
    heard();
    const bytes = body.bytes + chunk.length;
    if (bytes > limitBytes) throw tooLong(bytes);
    await onChunk(chunk, body.bytes);
    body.bytes = bytes;
  }
}

/**
 * Asks for the pieces of a body, each valid until the next, null at the end. All go through one buffer where the browser
 * allows it: a fresh buffer a piece would pile up by the hundred megabytes before the garbage collector comes.
 */
function chunksOf(body: ReadableStream<Uint8Array>): () => Promise<Uint8Array | null> {
  try {
    const reader = body.getReader({ mode: "byob" });
    let buffer = new ArrayBuffer(CHUNK_BYTES);
    return async () => {
      const { done, value } = await reader.read(new Uint8Array(buffer));
      if (done) return null;
      buffer = value.buffer;
      return value;
    };
  } catch {
    // Not every browser gives bodies as streams of bytes.
    const reader = body.getReader();
    return async () => (await reader.read()).value ?? null;
  }
}

/** An answer that is none, or no answer. */
class Failure extends Error {
  /** Whether asking again can help. */
  readonly canPass: boolean;
  /** How long the server wants to be left alone. */
  readonly pauseMillis: number;

  constructor(message: string, { canPass = true, pauseMillis = 0 } = {}) {
    super(message);
    this.canPass = canPass;
    this.pauseMillis = pauseMillis;
  }
}

function httpFailure({ status, headers }: Response): Failure {
  const canPass = status >= 500 || status === 429 || status === 408;
  const pauseMillis = retryAfterMillis(headers.get("retry-after"));
  const wish = pauseMillis > 0 ? `, to be asked again in ${Math.ceil(pauseMillis / 1000)} s` : "";
  return new Failure(`HTTP ${status}${wish}`, { canPass, pauseMillis });
}

/** Retry-After in seconds or as a date (RFC 9110, section 10.2.3); 0 where there is none. */
function retryAfterMillis(header: string | null): number {
  if (header === null) return 0;
  const millis = /^\d+$/.test(header) ? 1000 * Number(header) : Date.parse(header) - Date.now();
  return Math.max(0, millis || 0);
}

function fetchFailed(url: string, tried: number, cause: Error): TenstepError {
  const count = tried > 1 ? ` after ${tried} attempts` : "";
  return new TenstepError("fetch-failed", `${url} could not be fetched${count}: ${cause.message}`, { cause });
}

/** Whether a file that could not be fetched may be there another time: the network was down, or the server. */
export function mayComeBack({ cause }: Error): boolean {
  return !(cause instanceof Failure) || cause.canPass;
}

/** Ends early when the network comes back. */
function pause(millis: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      globalThis.removeEventListener?.("online", done);
    };
    const done = () => {
      end();
      resolve();
    };
    const abort = () => {
      end();
      reject(signal?.reason);
    };
    const timer = setTimeout(done, millis);
    signal?.addEventListener("abort", abort, { once: true });
    globalThis.addEventListener?.("online", done);
  });
}
