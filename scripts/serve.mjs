// A static file server for dist/: `node scripts/serve.mjs [--port 8080] [folder]`.

import { createReadStream } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, resolve, sep } from "node:path";
import { asProgram } from "./command.mjs";
import { dist } from "./paths.mjs";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
  ".wasm": "application/wasm",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".ico": "image/x-icon",
  ".txt": "text/plain; charset=utf-8",
};

/**
 * Serves `folder` on `port` (0: any free one) and resolves to `{ url, close }`. `answerFirst(request, response)` may take
 * a request by returning true.
 */
export async function serve({ folder = dist, port = 0, answerFirst = () => false } = {}) {
  const base = await realpath(folder);
  const server = createServer((request, response) => {
    if (answerFirst(request, response)) return;
    respond(base, request, response).catch((error) => {
      if (!response.headersSent) response.writeHead(500, { "content-type": "text/plain" });
      response.end(`${error.message}\n`);
    });
  });
  await new Promise((ready, fail) => server.once("error", fail).listen(port, "127.0.0.1", ready));
  return {
    url: `http://localhost:${server.address().port}/`,
    close: () =>
      new Promise((closed) => {
        server.close(closed);
        server.closeAllConnections();
      }),
  };
}

async function respond(base, request, response) {
  if (request.method !== "GET" && request.method !== "HEAD") return plain(response, 405, "Only GET and HEAD");
  const file = await fileFor(base, request.url);
  if (!file) return plain(response, 404, "Not found");
  const headers = {
    "content-type": TYPES[extname(file.path)] ?? "application/octet-stream",
    "accept-ranges": "bytes",
    "last-modified": file.modified.toUTCString(),
    "cache-control": "no-cache",
  };
  const range = wantedRange(request.headers.range, file.bytes);
  if (range === "unsatisfiable") {
    response.writeHead(416, { "content-range": `bytes */${file.bytes}` });
    return response.end();
  }
  const { start, end } = range ?? { start: 0, end: file.bytes - 1 };
  headers["content-length"] = end - start + 1;
  if (range) headers["content-range"] = `bytes ${start}-${end}/${file.bytes}`;
  response.writeHead(range ? 206 : 200, headers);
  if (request.method === "HEAD" || file.bytes === 0) return response.end();
  createReadStream(file.path, { start, end }).on("error", () => response.destroy()).pipe(response);
}

/** The file that an address names, or null. Links are followed before the check that it lies in the folder. */
async function fileFor(base, address) {
  let path;
  try {
    path = decodeURIComponent(new URL(address, "http://localhost").pathname);
  } catch {
    return null;
  }
  if (path.includes("\0")) return null;
  try {
    let found = await realpath(resolve(join(base, path)));
    let facts = await stat(found);
    if (facts.isDirectory()) {
      found = await realpath(join(found, "index.html"));
      facts = await stat(found);
    }
    if (!found.startsWith(base + sep) || !facts.isFile()) return null;
    return { path: found, bytes: facts.size, modified: facts.mtime };
  } catch {
    return null;
  }
}

/** One range of bytes (RFC 9110, section 14); null where none is asked for or the header is of another kind. */
function wantedRange(header, bytes) {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  if (!match || (match[1] === "" && match[2] === "")) return null;
  const start = match[1] === "" ? Math.max(0, bytes - Number(match[2])) : Number(match[1]);
  const end = match[1] === "" || match[2] === "" ? bytes - 1 : Math.min(Number(match[2]), bytes - 1);
  return start > end ? "unsatisfiable" : { start, end };
}

function plain(response, status, text) {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" });
  response.end(`${text}\n`);
}

/** Serves from the command line until interrupted. */
export async function serveUntilInterrupted(args) {
  const at = args.indexOf("--port");
  const port = at >= 0 ? Number(args[at + 1]) : 8080;
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new Error("--port must be an integer from 0 to 65535");
  const folder = args.find((argument, index) => !argument.startsWith("--") && (at < 0 || index !== at + 1));
  const { url } = await serve({ port, ...(folder && { folder }) });
  console.log(`Tenstep is at ${url}  (Ctrl+C stops it)`);
}

await asProgram(import.meta.url, () => serveUntilInterrupted(process.argv.slice(2)));
