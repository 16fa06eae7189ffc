import assert from "node:assert/strict";
import { createServer } from "node:http";
import { after, before, beforeEach, describe, it } from "node:test";
import { download } from "../../../target/lib/weights/download.js";

describe("download", () => {
  let server, url, handler, requests;

  before(async () => {
    server = createServer((request, response) => {
      requests.push(request.headers);
      handler(request, response, requests.length);
    });
    await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
    url = `http://127.0.0.1:${server.address().port}/shard`;
  });
  beforeEach(() => (requests = []));
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const text = (bytes) => Buffer.from(bytes).toString();
  const options = (changes) => ({ url, limitBytes: 10, tooLong: (length) => new RangeError(`too long: ${length}`), ...changes });
  const sendRange = (request, response, whole) => {
    const start = Number(/\d+/.exec(request.headers.range)[0]);
    response.writeHead(206, { "content-range": `bytes ${start}-${whole.length - 1}/${whole.length}` }).end(whole.slice(start));
  };

  /** Downloads into an array; gives the bytes that were seen. */
  async function fetched(changes = {}) {
    const bytes = [];
    const onChunk = (chunk, offset) => {
      bytes.length = offset;
      bytes.push(...chunk);
    };
    const count = await download(options({ onChunk, ...changes }));
    assert.equal(count, bytes.length);
    return text(bytes);
  }

  it("gives the body in order", async () => {
    handler = (_, response) => {
      response.write("abc");
      setTimeout(() => response.end("def"), 20);
    };
    assert.equal(await fetched(), "abcdef");
  });

  it("asks again after a passing failure, and starts the body over", async () => {
    handler = (_, response, count) => {
      if (count === 1) return response.writeHead(503).end();
      response.writeHead(200, { "content-length": 6 });
      if (count === 2) return response.write("abc", () => setTimeout(() => response.destroy(), 20));
      response.end("ABCDEF");
    };
    assert.equal(await fetched(), "ABCDEF");
    assert.equal(requests.length, 3);
  });

  it("goes on at the byte where a broken body ended", async () => {
    handler = (request, response, count) => {
      if (count === 3) return sendRange(request, response, "ABCDEF");
      response.writeHead(count === 1 ? 200 : 206, { "content-length": count === 1 ? 6 : 5 });
      response.write(count === 1 ? "A" : "BC", () => setTimeout(() => response.destroy(), 20));
    };
    assert.equal(await fetched({ from: 0 }), "ABCDEF");
    assert.deepEqual(requests.map(({ range }) => range), [undefined, "bytes=1-", "bytes=3-"]);
  });

  it("goes on from what was there before", async () => {
    handler = (request, response) => sendRange(request, response, "ABCDEF");
    const offsets = [];
    assert.equal(await download(options({ from: 4, onChunk: (chunk, offset) => offsets.push([offset, text(chunk)]) })), 6);
    assert.deepEqual(offsets, [[4, "EF"]]);
  });

  const restarts = {
    "ignores the range": (_, response) => response.end("ABCDEF"),
    "has no such range": (request, response) => (request.headers.range ? response.writeHead(416).end() : response.end("ABCDEF")),
    "answers with another range": (request, response) => {
      if (!request.headers.range) return response.end("ABCDEF");
      response.writeHead(206, { "content-range": "bytes 1-5/6", "content-length": 5 }).end("BCDEF");
    },
  };
  for (const [name, answer] of Object.entries(restarts)) {
    it(`starts over where the server ${name}`, async () => {
      handler = answer;
      const offsets = [];
      assert.equal(await download(options({ from: 4, onChunk: (chunk, offset) => offsets.push([offset, text(chunk)]) })), 6);
      assert.deepEqual(offsets, [[0, "ABCDEF"]]);
    });
  }

  it("goes on for as long as each attempt brings something new", async () => {
    const whole = "ABCDEFGHIJ";
    handler = (request, response) => {
      const start = Number(/\d+/.exec(request.headers.range ?? "0")[0]);
      response.writeHead(start > 0 ? 206 : 200, { "content-length": whole.length - start });
      response.write(whole[start], () => setTimeout(() => response.destroy(), 5));
    };
    assert.equal(await fetched({ from: 0, attempts: 2 }), whole);
    assert.equal(requests.length, whole.length);
  });

  it("waits for as long as Retry-After says", async () => {
    // Dates are in whole seconds: at least one of these two is left.
    for (const wish of [() => "1", () => new Date(Date.now() + 2000).toUTCString()]) {
      const began = performance.now();
      const header = wish();
      handler = (_, response, count) => (count === 1 ? response.writeHead(429, { "retry-after": header }).end() : response.end("x"));
      requests = [];
      assert.equal(await fetched(), "x");
      assert.ok(performance.now() - began >= 990, `${performance.now() - began} ms`);
    }
  });

  it("does not wait for an hour", async () => {
    handler = (_, response) => response.writeHead(503, { "retry-after": "3600" }).end();
    await assert.rejects(fetched(), { code: "fetch-failed", message: /HTTP 503, to be asked again in 3600 s/ });
    assert.equal(requests.length, 1);
  });

  it("takes a silent connection for a broken one", async () => {
    handler = (request, response, count) => {
      if (count > 1) return sendRange(request, response, "ABCDEF");
      response.writeHead(200, { "content-length": 6 });
      response.write("AB");
    };
    assert.equal(await fetched({ from: 0, stallMillis: 200 }), "ABCDEF");
    assert.deepEqual(requests.map(({ range }) => range), [undefined, "bytes=2-"]);
  });

  it("gives up after five attempts, naming address and cause", async () => {
    handler = (_, response) => response.destroy();
    await assert.rejects(fetched(), (error) => {
      assert.equal(error.code, "fetch-failed");
      assert.match(error.message, /127\.0\.0\.1.*after 5 attempts/);
      return true;
    });
    assert.equal(requests.length, 5);
  });

  it("does not ask again for what is not there", async () => {
    handler = (_, response) => response.writeHead(404).end();
    await assert.rejects(fetched(), { code: "fetch-failed", message: /HTTP 404/ });
    assert.equal(requests.length, 1);
  });

  const useless = { "an HTTP error": [503, {}], "another range": [206, { "content-range": "bytes 1-5/6" }] };
  for (const [name, [status, headers]] of Object.entries(useless)) {
    it(`lets go of an answer that is ${name} and does not end, before it asks again`, async () => {
      let isOver;
      const over = new Promise((resolve) => (isOver = resolve));
      handler = (_, response, count) => {
        if (count > 1) return over.then(() => response.end("ABCDEF"));
        response.on("close", isOver);
        response.writeHead(status, headers).write("x");
      };
      assert.equal(await download(options({ from: 4, attempts: 2, stallMillis: 2000, onChunk: () => undefined })), 6);
    });
  }

  it("refuses a body that announces to be too long, before reading it", async () => {
    handler = (_, response) => {
      response.writeHead(200, { "content-length": 1_000_000 });
      response.write("x");
    };
    await assert.rejects(fetched({ onChunk: () => assert.fail("nothing may be read") }), { message: "too long: 1000000" });
  });

  it("cuts off a body that turns out too long", async () => {
    let isCut = false;
    handler = (_, response) => {
      response.on("close", () => (isCut = true));
      const timer = setInterval(() => response.write("12345678"), 5);
      response.on("close", () => clearInterval(timer));
    };
    await assert.rejects(fetched(), { message: /too long: 16/ });
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.ok(isCut);
  });

  it("goes past caches when asked to", async () => {
    handler = (_, response) => response.end("fresh");
    await fetched({ cache: "reload" });
    assert.match(requests[0]["cache-control"], /no-cache/);
  });

  it("can be aborted while the body streams and while waiting to ask again", async () => {
    for (const answer of [(response) => response.write("x"), (response) => response.writeHead(503).end()]) {
      handler = (_, response) => answer(response);
      const abort = new AbortController();
      setTimeout(() => abort.abort(), 100);
      await assert.rejects(fetched({ signal: abort.signal }), { name: "AbortError" });
    }
    assert.equal(requests.length, 2);
  });
});
