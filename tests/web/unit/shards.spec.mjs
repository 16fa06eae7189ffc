import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { pushShards } from "../../../target/lib/weights/fetch.js";

const COUNT = 12;
const BYTES = 100;

/** Twelve shards, an engine and a source that write down what happens to them. */
function scene({ read = async () => BYTES, push = async () => {} } = {}) {
  const shards = Array.from({ length: COUNT }, (_, shard) => ({ shard, file: `${shard}`, bytes: BYTES, sha256: "", component: "unet" }));
  const seen = { reading: 0, mostReading: 0, pushing: 0, mostPushing: 0, pushed: [], buffers: new Set(), loaded: [] };
  const source = {
    async read(request) {
      seen.mostReading = Math.max(seen.mostReading, ++seen.reading);
      seen.buffers.add(request.buffer.buffer);
      await new Promise((resolve) => setTimeout(resolve, 1));
      request.onBytes(BYTES / 2);
      try {
        return await read(request);
      } finally {
        request.onBytes(BYTES);
        seen.reading--;
      }
    },
  };
  const engine = {
    async pushShard(model, shard, bytes) {
      seen.mostPushing = Math.max(seen.mostPushing, ++seen.pushing);
      await new Promise((resolve) => setTimeout(resolve, 1));
      seen.pushing--;
      await push(shard, bytes);
      seen.pushed.push(shard);
    },
  };
  const loading = { model: 1, shards, totalBytes: COUNT * BYTES };
  const onBytes = (bytes) => seen.loaded.push(bytes);
  return { seen, push: (signal) => pushShards({ engine, loading, source, onBytes, signal }) };
}

const damaged = () => Object.assign(new Error("damaged"), { code: "shard-hash" });

describe("pushShards", () => {
  it("reads four at a time into four buffers, and pushes one at a time", async () => {
    const { seen, push } = scene();
    await push();
    assert.equal(seen.mostReading, 4);
    assert.equal(seen.buffers.size, 4);
    assert.equal(seen.mostPushing, 1);
    assert.deepEqual(seen.pushed.sort((a, b) => a - b), Array.from({ length: COUNT }, (_, shard) => shard));
  });

  it("counts every byte once", async () => {
    const { seen, push } = scene();
    await push();
    assert.equal(seen.loaded.at(-1), COUNT * BYTES);
    assert.ok(seen.loaded.every((bytes, at) => at === 0 || bytes >= seen.loaded[at - 1]));
  });

  it("asks once more, past caches, for a damaged shard", async () => {
    const asked = [];
    const { seen, push } = scene({
      read: async ({ shard, isFresh }) => {
        if (shard.shard === 5) asked.push(isFresh);
        return BYTES;
      },
      push: async (shard) => {
        if (shard === 5 && asked.length === 1) throw damaged();
      },
    });
    await push();
    assert.deepEqual(asked, [false, true]);
    assert.equal(seen.pushed.length, COUNT);
    assert.equal(seen.loaded.at(-1), COUNT * BYTES);
  });

  it("fails with a shard that stays damaged, and stops", async () => {
    const { seen, push } = scene({
      push: async (shard) => {
        if (shard === 2) throw damaged();
      },
    });
    await assert.rejects(push(), { code: "shard-hash" });
    assert.ok(seen.pushed.length < COUNT);
    assert.equal(seen.reading, 0, "nothing goes on in the background");
  });

  it("does not ask again after other failures", async () => {
    let asked = 0;
    const { push } = scene({
      read: async ({ shard }) => {
        if (shard.shard !== 0) return BYTES;
        asked++;
        throw Object.assign(new Error("no"), { code: "fetch-failed" });
      },
    });
    await assert.rejects(push(), { code: "fetch-failed" });
    assert.equal(asked, 1);
  });

  it("stops when aborted", async () => {
    const abort = new AbortController();
    const { seen, push } = scene({
      push: async (shard) => {
        if (shard === 3) abort.abort();
      },
    });
    await assert.rejects(push(abort.signal), { name: "AbortError" });
    assert.ok(seen.pushed.length < COUNT);
  });
});
