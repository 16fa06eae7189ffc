// A file of exactly this version, or a failure.

import { addressOf, type ShellFile } from "./shell.js";

/** Looks in the browser's HTTP cache first, then past it: the page's own visit has just been there. */
export async function fetchVerified(file: ShellFile): Promise<Response> {
  for (const cache of ["default", "reload"] as const) {
    const response = await fetch(addressOf(file), { cache });
    if (!response.ok || response.type !== "basic") throw new Error(`${file.path}: HTTP ${response.status}`);
    const body = await response.arrayBuffer();
    if ((await sha256(body)) === file.sha256) return new Response(body, { headers: headersOf(response) });
  }
  throw new Error(`${file.path} on the server is of another version`);
}

/** As served, policies and types included, but for what described the bytes on their way. */
function headersOf(response: Response): Headers {
  const headers = new Headers(response.headers);
  for (const name of ["content-encoding", "content-length", "transfer-encoding"]) headers.delete(name);
  return headers;
}

async function sha256(bytes: ArrayBuffer): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
