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

  /** Downloads into an array; gives the bytes that were seen. */
  async function fetched(options = {}) {
    const bytes = [];
    const count = await download({
      url,
      limitBytes: 10,
      tooLong: (length) => new RangeError(`too long: ${length}`),
      onChunk: (chunk, offset) => {
        bytes.length = offset;
        bytes.push(...chunk);
      },
      ...options,
    });
    assert.equal(count, bytes.length);
    return Buffer.from(bytes).toString();
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

  it("gives up after three attempts, naming address and cause", async () => {
    handler = (_, response) => response.destroy();
    await assert.rejects(fetched(), (error) => {
      assert.equal(error.code, "fetch-failed");
      assert.match(error.message, /127\.0\.0\.1.*after 3 attempts/);
      return true;
    });
    assert.equal(requests.length, 3);
  });

  it("does not ask again for what is not there", async () => {
    handler = (_, response) => response.writeHead(404).end();
    await assert.rejects(fetched(), { code: "fetch-failed", message: /HTTP 404/ });
    assert.equal(requests.length, 1);
  });

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
    await fetched({ isFresh: true });
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
