// Node's fetch, and files: `file:` addresses answered as a server would, with a length, a type for wasm, and ranges.

import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";

const fetchFromNetwork = globalThis.fetch;

export async function fetchWithFiles(input: string | URL | Request, init?: RequestInit): Promise<Response> {
  const request = input instanceof Request ? new Request(input, init) : null;
  const address = request?.url ?? String(input);
  if (!address.startsWith("file:")) return fetchFromNetwork(input, init);
  const signal = request?.signal ?? init?.signal ?? undefined;
  signal?.throwIfAborted();
  const path = fileURLToPath(address);
  const bytes = await stat(path).then((facts) => (facts.isFile() ? facts.size : null), () => null);
  if (bytes === null) return new Response(null, { status: 404, statusText: "Not Found" });
  const range = wantedRange(request?.headers ?? new Headers(init?.headers), bytes);
  const headers = new Headers({ "content-type": path.endsWith(".wasm") ? "application/wasm" : "application/octet-stream" });
  if (range && range.start >= bytes) {
    headers.set("content-range", `bytes */${bytes}`);
    return new Response(null, { status: 416, headers });
  }
  const { start, end } = range ?? { start: 0, end: bytes - 1 };
  headers.set("content-length", String(end - start + 1));
  if (range) headers.set("content-range", `bytes ${start}-${end}/${bytes}`);
  const body = bytes === 0 ? null : (Readable.toWeb(createReadStream(path, { start, end, signal })) as ReadableStream<Uint8Array>);
  return new Response(body, { status: range ? 206 : 200, headers });
}

/** `bytes=first-` and `bytes=first-last`; whatever else is asked for gets the whole file. */
function wantedRange(headers: Headers, bytes: number): { start: number; end: number } | null {
  const match = /^bytes=(\d+)-(\d*)$/.exec(headers.get("range") ?? "");
  if (!match) return null;
  const end = match[2] ? Math.min(Number(match[2]), bytes - 1) : bytes - 1;
  return { start: Number(match[1]), end };
}
