import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Serial } from "../../../target/lib/serial.js";
import { ShardStore } from "../../../target/lib/store/shard-store.js";
import { pushShards } from "../../../target/lib/weights/fetch.js";
import { memoryStore } from "./memory-store.mjs";

const COUNT = 12;
const BYTES = 100;

/** Twelve shards, an engine and a source that write down what happens to them. */
function scene({ read = async () => {}, push = async () => {}, kept = null } = {}) {
  const shards = Array.from({ length: COUNT }, (_, shard) => ({ shard, file: `${shard}`, bytes: BYTES, sha256: `hash-${shard}`, component: "unet" }));
  const seen = { reading: 0, mostReading: 0, pushing: 0, mostPushing: 0, read: [], pushed: [], buffers: new Set(), loaded: [] };
  const source = {
    async read(request) {
      const { shard, from, buffer, onBytes } = request;
      seen.mostReading = Math.max(seen.mostReading, ++seen.reading);
      seen.buffers.add(buffer.buffer);
      seen.read.push([shard.shard, from]);
      await new Promise((resolve) => setTimeout(resolve, 1));
      const half = Math.max(from, BYTES / 2);
      buffer.fill(shard.shard, from, half);
      await onBytes(from, half);
      try {
        await read(request);
        buffer.fill(shard.shard, half, BYTES);
        await onBytes(half, BYTES);
      } finally {
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
  const store = new ShardStore({ store: kept, reason: "as asked" });
  return { seen, store, push: (signal) => pushShards({ engine, turns: new Serial(), loading, store, source, onBytes, signal }) };
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
    assert.deepEqual(seen.loaded.at(-1), { cached: 0, network: COUNT * BYTES, uploaded: COUNT * BYTES });
    for (const kind of ["network", "uploaded"]) {
      assert.ok(seen.loaded.every((bytes, at) => at === 0 || bytes[kind] >= seen.loaded[at - 1][kind]), kind);
    }
  });

  it("asks once more, past caches, for a damaged shard", async () => {
    const asked = [];
    const { seen, push } = scene({
      read: async ({ shard, isFresh }) => {
        if (shard.shard === 5) asked.push(isFresh);
      },
      push: async (shard) => {
        if (shard === 5 && asked.length === 1) throw damaged();
      },
    });
    await push();
    assert.deepEqual(asked, [false, true]);
    assert.equal(seen.pushed.length, COUNT);
    assert.deepEqual(seen.loaded.at(-1), { cached: 0, network: COUNT * BYTES, uploaded: COUNT * BYTES });
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
        if (shard.shard !== 0) return;
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

  const verified = (shard) => [...new Array(BYTES).fill(shard), 1];
  const fill = (files, content) => {
    for (let shard = 0; shard < COUNT; shard++) files.set(`shard-hash-${shard}`, content(shard));
  };

  it("keeps what the engine has verified, and fetches none of it again", async () => {
    const kept = memoryStore();
    await scene({ kept }).push();
    for (let shard = 0; shard < COUNT; shard++) assert.deepEqual(kept.files.get(`shard-hash-${shard}`), verified(shard));
    const { seen, push } = scene({ kept });
    await push();
    assert.deepEqual(seen.read, []);
    assert.deepEqual(seen.loaded.at(-1), { cached: COUNT * BYTES, network: 0, uploaded: COUNT * BYTES });
  });

  it("goes on where an earlier load ended, from a file without the mark of a verified one", async () => {
    const kept = memoryStore();
    const failing = scene({
      kept,
      read: async () => {
        throw Object.assign(new Error("cut"), { code: "fetch-failed" });
      },
    });
    await assert.rejects(failing.push(), { code: "fetch-failed" });
    assert.deepEqual(kept.files.get("shard-hash-0"), new Array(BYTES / 2).fill(0));
    const { seen, push } = scene({ kept });
    await push();
    assert.deepEqual(seen.read.find(([shard]) => shard === 0), [0, BYTES / 2]);
    assert.deepEqual(kept.files.get("shard-hash-0"), verified(0));
  });

  it("does not trust the mark: a damaged entry is fetched anew", async () => {
    const kept = memoryStore();
    fill(kept.files, verified);
    kept.files.get("shard-hash-3")[7] ^= 1;
    const { seen, push } = scene({
      kept,
      push: async (shard, bytes) => {
        if (bytes.some((byte) => byte !== shard)) throw damaged();
      },
    });
    await push();
    assert.deepEqual(seen.read, [[3, 0]]);
    assert.deepEqual(kept.files.get("shard-hash-3"), verified(3));
    assert.deepEqual(seen.loaded.at(-1), { cached: (COUNT - 1) * BYTES, network: BYTES, uploaded: COUNT * BYTES });
  });

  it("keeps nothing of a shard that stays damaged", async () => {
    const kept = memoryStore();
    const { push } = scene({
      kept,
      push: async (shard) => {
        if (shard === 2) throw damaged();
      },
    });
    await assert.rejects(push(), { code: "shard-hash" });
    assert.deepEqual(kept.files.get("shard-hash-2"), []);
  });

  it("takes a file of another length for none", async () => {
    const kept = memoryStore();
    fill(kept.files, () => new Array(BYTES + 2).fill(9));
    const { seen, push } = scene({ kept });
    await push();
    assert.equal(seen.read.length, COUNT);
    assert.ok(seen.read.every(([, from]) => from === 0));
  });

  const troubles = {
    "is full": [new DOMException("no room", "QuotaExceededError"), /is full.*no room/],
    fails: [new DOMException("gone", "NotFoundError"), /failed.*gone/],
  };
  for (const [name, [error, reason]] of Object.entries(troubles)) {
    for (const operation of ["open", "read", "append"]) {
      it(`loads on when the store ${name} at ${operation}, and says so`, async () => {
        const kept = memoryStore();
        if (operation === "read") fill(kept.files, verified);
        kept.fail(operation, error);
        const { seen, store, push } = scene({ kept });
        await push();
        assert.equal(seen.pushed.length, COUNT);
        assert.deepEqual(seen.loaded.at(-1).uploaded, COUNT * BYTES);
        assert.equal(store.kind, "none");
        assert.match(store.reason, reason);
      });
    }
  }
});
