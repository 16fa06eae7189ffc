// A model behind a server that misbehaves as told, and writes down what it was asked for and what it sent.

import { setTimeout } from "node:timers/promises";

/**
 * Serves `files` (a table from name to bytes) under `folder`, ranges included. A fault is `(answer) => void | Promise`; those
 * given to `next` each take one request of a file, then the one given to `always`, then the file is served as it should be.
 * Every answer has `headers`.
 */
export function serveModel(site, files, folder = "/fake/", headers = {}) {
  const model = { manifest: `${folder}manifest.json`, files, requests: [], next, always, heal, asked, sent };
  let queued = new Map();
  let standing = new Map();

  for (const file of files.keys()) {
    site.answer(folder + file, (request, response) => {
      const bytes = files.get(file);
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      const entry = { file, start, sent: 0, isOver: false };
      model.requests.push(entry);
      response.on("close", () => (entry.isOver = true));
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      const answer = { bytes, start, response, write: (piece) => write(response, entry, piece) };
      const fault = queued.get(file)?.shift() ?? standing.get(file) ?? serve();
      Promise.resolve(fault(answer)).catch((error) => response.destroy(error));
    });
  }

  function next(file, ...faults) {
    queued.set(file, [...(queued.get(file) ?? []), ...faults]);
  }

  function always(file, fault) {
    standing.set(file, fault);
  }

  function heal() {
    queued = new Map();
    standing = new Map();
  }

  /** Requests for a file, in order. */
  function asked(file) {
    return model.requests.filter((request) => request.file === file);
  }

  /** Bytes of a file that were sent in all. */
  function sent(file) {
    return asked(file).reduce((sum, request) => sum + request.sent, 0);
  }

  return model;
}

/** Counts a piece as sent once the system has it. */
function write(response, entry, piece) {
  return new Promise((resolve) => {
    response.write(piece, (error) => {
      if (!error) entry.sent += piece.length;
      resolve();
    });
  });
}

function begin({ bytes, start, response }) {
  if (start >= bytes.length) return response.writeHead(416, { "content-range": `bytes */${bytes.length}` });
  const range = start > 0 && { "content-range": `bytes ${start}-${bytes.length - 1}/${bytes.length}` };
  response.writeHead(start > 0 ? 206 : 200, { "content-length": bytes.length - start, "cache-control": "no-store", ...range });
}

/** As it should be. */
export const serve = () => async (answer) => {
  begin(answer);
  await answer.write(answer.bytes.subarray(answer.start));
  answer.response.end();
};

/** Sends up to byte `offset`, waits for `when`, and cuts the connection. */
export const cutAt = (offset, when) => async (answer) => {
  begin(answer);
  if (offset > answer.start) await answer.write(answer.bytes.subarray(answer.start, offset));
  else answer.response.flushHeaders();
  await when();
  answer.response.destroy();
};

/** Sends up to byte `offset`, waits for `when`, and sends the rest. */
export const holdAt = (offset, when) => async (answer) => {
  begin(answer);
  await answer.write(answer.bytes.subarray(answer.start, offset));
  await when();
  await answer.write(answer.bytes.subarray(offset));
  answer.response.end();
};

export const status = (code, headers) => ({ response }) => void response.writeHead(code, headers).end();

/** No answer at all. */
export const refuse = () => ({ response }) => void response.destroy();

export const trickle = (pieceBytes, pauseMillis) => async (answer) => {
  begin(answer);
  for (let at = answer.start; at < answer.bytes.length; at += pieceBytes) {
    await answer.write(answer.bytes.subarray(at, at + pieceBytes));
    await setTimeout(pauseMillis);
  }
  answer.response.end();
};

/** Serves other bytes as if they were the file. */
export const instead = (bytes) => (answer) => serve()({ ...answer, bytes });

export const redirect = (address) => ({ response }) => void response.writeHead(302, { location: address }).end();

/** Answers a request for a part with the whole. */
export const withoutRanges = () => (answer) => serve()({ ...answer, start: 0 });

/** Packs the body, as servers do with what they take for text. */
export const packed = (pack) => ({ bytes, write, response }) => {
  response.writeHead(200, { "content-encoding": "gzip" });
  return write(pack(bytes)).then(() => response.end());
};

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
