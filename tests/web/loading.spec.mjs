// Loading over a network that fails in every way it can: the picture comes, or a typed error says why, and nothing that was
// verified is fetched twice.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { setTimeout } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import {
  cutAt, holdAt, instead, packed, randomNumbers, redirect, refuse, serveModel, status, trickle, withoutRanges,
} from "./harness/faults.mjs";
import { openSite } from "./harness/site.mjs";
import { keptFiles, tabs, until } from "./harness/tabs.mjs";

const SEED = Number(process.env.TENSTEP_TEST_SEED ?? 20261126);

const shared = tabs();
const isPicture = (result) => assert.equal(result.width, 64, JSON.stringify(result.error));
/** A load after the one that a test was about: nothing may have been left stuck, and all bytes are kept. */
async function loadsFromStore(tab, model) {
  const before = model.requests.length;
  isPicture(await tab.load());
  assert.deepEqual(model.requests.slice(before).map(({ file }) => file), ["manifest.json"]);
}
const shardFiles = (model) => [...model.files.keys()].filter((file) => file !== "manifest.json");
const eachOnce = (model) => {
  for (const file of shardFiles(model)) assert.equal(model.sent(file), model.files.get(file).length, `${file} was sent once`);
};

describe("loading, when the connection breaks", { timeout: 300_000 }, () => {
  it("at 20 random bytes, goes on at each of them", async () => {
    const model = shared.model({ shards: 1, shardBytes: 400_000 });
    const tab = await shared.tab();
    const random = randomNumbers(SEED);
    const offsets = Array.from({ length: 20 }, () => Math.floor(random() * 400_000)).sort((one, other) => one - other);
    console.log(`seed ${SEED}: cut at ${offsets.join(", ")}`);
    for (const offset of offsets) model.next("shard-0.bin", cutAt(offset, () => until(() => tab.progress.networkBytes >= offset)));
    isPicture(await tab.load());
    assert.deepEqual(model.asked("shard-0.bin").map(({ start }) => start), [0, ...offsets]);
    eachOnce(model);
    assert.equal(tab.progress.networkBytes, 400_000);
    await loadsFromStore(tab, model);
  });

  it("with the page, goes on at the same byte in the next", async () => {
    const random = randomNumbers(SEED + 1);
    for (let round = 0; round < 5; round++) {
      const offset = 1 + Math.floor(random() * 399_998);
      const model = shared.model({ shards: 1, shardBytes: 400_000 });
      const tab = await shared.tab();
      model.next("shard-0.bin", cutAt(offset, () => new Promise(() => {})));
      const broken = tab.load().catch(() => "gone");
      await until(() => tab.progress?.networkBytes === offset);
      await tab.open();
      assert.equal(await broken, "gone");
      isPicture(await tab.load());
      assert.deepEqual(model.asked("shard-0.bin").map(({ start }) => start), [0, offset], `seed ${SEED}, round ${round}`);
      assert.deepEqual([tab.progress.cachedBytes, tab.progress.networkBytes], [offset, 400_000 - offset]);
      await tab.page.close();
    }
  });

  it("and the server knows no ranges, starts over, and keeps nothing of before", async () => {
    const model = shared.model({ shards: 1 });
    const tab = await shared.tab();
    const cut = cutAt(60_000, () => until(() => tab.progress.networkBytes >= 60_000));
    model.next("shard-0.bin", (answer) => cut({ ...answer, bytes: Buffer.alloc(100_000) }), withoutRanges());
    isPicture(await tab.load());
    assert.deepEqual(model.asked("shard-0.bin").map(({ start, sent }) => [start, sent]), [[0, 60_000], [60_000, 100_000]]);
    await loadsFromStore(tab, model);
  });

  it("for good, fails with fetch-failed; the next load fetches what is missing only", async () => {
    const model = shared.model();
    const tab = await shared.tab();
    const othersAreThere = () => until(() => tab.progress.uploadedBytes === 200_000);
    model.next("shard-1.bin", cutAt(30_000, othersAreThere));
    model.always("shard-1.bin", refuse());
    const { error } = await tab.load();
    assert.equal(error?.code, "fetch-failed");
    assert.match(error.message, /shard-1\.bin/);
    model.heal();
    isPicture(await tab.load());
    eachOnce(model);
  });

  it("because the browser goes offline in the middle, waits and goes on", async () => {
    const model = shared.model({ shards: 1 });
    const tab = await shared.tab();
    model.next("shard-0.bin", cutAt(50_000, () => until(() => tab.progress.networkBytes >= 50_000).then(() => shared.context.setOffline(true))));
    const loading = tab.load();
    await until(() => model.requests.some(({ file, isOver }) => file === "shard-0.bin" && isOver));
    await setTimeout(1000);
    await shared.context.setOffline(false);
    isPicture(await loading);
    eachOnce(model);
  });
});

describe("loading, when the server answers wrongly", { timeout: 300_000 }, () => {
  it("404, fails at once with fetch-failed", async () => {
    const model = shared.model();
    const tab = await shared.tab();
    model.always("shard-2.bin", status(404));
    const { error } = await tab.load();
    assert.equal(error?.code, "fetch-failed");
    assert.match(error.message, /shard-2\.bin.*HTTP 404/);
    assert.equal(model.asked("shard-2.bin").length, 1);
    model.heal();
    isPicture(await tab.load());
    await loadsFromStore(tab, model);
  });

  it("500 twice, asks a third time", async () => {
    const model = shared.model();
    const tab = await shared.tab();
    model.next("shard-0.bin", status(500), status(500));
    isPicture(await tab.load());
    assert.equal(model.asked("shard-0.bin").length, 3);
    eachOnce(model);
  });

  it("429 with Retry-After, asks again when it may", async () => {
    const model = shared.model();
    const tab = await shared.tab();
    model.next("shard-0.bin", status(429, { "retry-after": "2" }));
    const began = performance.now();
    isPicture(await tab.load());
    assert.ok(performance.now() - began >= 2000);
    eachOnce(model);
  });

  it("slowly, waits", async () => {
    const model = shared.model({ shards: 2, shardBytes: 3000 });
    const tab = await shared.tab();
    for (const file of shardFiles(model)) model.next(file, trickle(100, 50));
    isPicture(await tab.load());
    eachOnce(model);
  });

  const wrong = {
    "with too short a file": [(bytes) => bytes.subarray(0, 90_000), "shard-size"],
    "with too long a file": [(bytes) => Buffer.concat([bytes, bytes]), "shard-size"],
    "with other bytes": [(bytes) => Buffer.from(bytes).fill(7, 500, 600), "shard-hash"],
  };
  for (const [name, [damage, code]] of Object.entries(wrong)) {
    it(`once ${name}, asks once more`, async () => {
      const model = shared.model();
      const tab = await shared.tab();
      model.next("shard-1.bin", instead(damage(model.files.get("shard-1.bin"))));
      isPicture(await tab.load());
      assert.deepEqual(model.asked("shard-1.bin").map(({ start }) => start), [0, 0]);
      await loadsFromStore(tab, model);
    });

    it(`for ever ${name}, fails with ${code} and keeps none of it`, async () => {
      const model = shared.model();
      const tab = await shared.tab();
      model.always("shard-1.bin", instead(damage(model.files.get("shard-1.bin"))));
      const { error } = await tab.load();
      assert.equal(error?.code, code, JSON.stringify(error));
      assert.match(error.message, /shard-1\.bin/);
      assert.equal(model.asked("shard-1.bin").length, 2);
      model.heal();
      isPicture(await tab.load());
      assert.equal(model.asked("shard-1.bin").at(-1).start, 0);
      await loadsFromStore(tab, model);
    });
  }

  it("with a redirection, follows it", async () => {
    const model = shared.model();
    const tab = await shared.tab();
    model.next("shard-0.bin", redirect("/fake/shard-0.bin?elsewhere"));
    isPicture(await tab.load());
    eachOnce(model);
  });

  it("with a packed body, counts what it holds", async () => {
    const model = shared.model({ shards: 1 });
    const tab = await shared.tab();
    model.next("shard-0.bin", packed(gzipSync));
    isPicture(await tab.load());
    assert.equal(tab.progress.networkBytes, 100_000);
    await loadsFromStore(tab, model);
  });
});

describe("mirrors", { timeout: 120_000 }, () => {
  const twoPlaces = () => {
    const model = shared.model();
    return [model, serveModel(shared.site, model.files, "/mirror/")];
  };
  const options = { mirrors: ["/mirror/manifest.json"] };

  it("are left alone while the first address works", async () => {
    const [model, mirror] = twoPlaces();
    isPicture(await (await shared.tab()).load(options));
    eachOnce(model);
    assert.deepEqual(mirror.requests, []);
  });

  it("give the manifest and the shards where the first address has none", async () => {
    const [model, mirror] = twoPlaces();
    for (const file of model.files.keys()) model.always(file, status(404));
    isPicture(await (await shared.tab()).load(options));
    eachOnce(mirror);
    assert.deepEqual(model.requests.map(({ file }) => file), ["manifest.json"], "shards are asked for where the manifest was");
  });

  it("go on with a shard that the first address began", async () => {
    const [model, mirror] = twoPlaces();
    const tab = await shared.tab();
    model.next("shard-0.bin", cutAt(70_000, () => until(() => tab.progress.networkBytes >= 70_000)));
    model.always("shard-0.bin", status(404));
    isPicture(await tab.load(options));
    assert.equal(model.sent("shard-0.bin") + mirror.sent("shard-0.bin"), 100_000);
  });

  it("stand in for an address with damaged shards", async () => {
    const [model, mirror] = twoPlaces();
    model.always("shard-1.bin", instead(Buffer.alloc(100_000)));
    isPicture(await (await shared.tab()).load(options));
    assert.equal(mirror.sent("shard-1.bin"), 100_000);
  });

  it("may be on another origin that says nothing of ranges, and is not asked whether it allows them", async () => {
    const model = shared.model();
    const elsewhere = await openSite();
    try {
      const mirror = serveModel(elsewhere, model.files, "/mirror/", { "access-control-allow-origin": "*" });
      const tab = await shared.tab();
      model.always("manifest.json", status(404));
      mirror.next("shard-0.bin", cutAt(50_000, () => until(() => tab.progress.networkBytes >= 250_000)));
      isPicture(await tab.load({ mirrors: [`${elsewhere.url}mirror/manifest.json`] }));
      assert.deepEqual(mirror.asked("shard-0.bin").map(({ start }) => start), [0, 50_000]);
      assert.equal(mirror.requests.length, 5, "no request but for the files");
    } finally {
      await elsewhere.close();
    }
  });

  it("fail together with what the last one said", async () => {
    const [model, mirror] = twoPlaces();
    model.always("shard-1.bin", status(404));
    mirror.always("shard-1.bin", status(403));
    const { error } = await (await shared.tab()).load(options);
    assert.equal(error?.code, "fetch-failed");
    assert.match(error.message, /mirror\/shard-1\.bin.*HTTP 403/);
  });
});

describe("options of loading", { timeout: 60_000 }, () => {
  const wrong = {
    "an unknown store": [{ store: "disk" }, /store.*"opfs".*"disk"/],
    "a mirror that is no list": [{ mirrors: "/mirror/manifest.json" }, /mirrors must be a list/],
    "a mirror that is no address": [{ mirrors: ["http://["] }, /mirrors\[0\]/],
    "no mirror": [{ mirrors: [null] }, /mirrors\[0\].*null/],
  };
  for (const [name, [options, message]] of Object.entries(wrong)) {
    it(`that hold ${name} are refused`, async () => {
      const { error } = await (await shared.tab()).load(options);
      assert.equal(error?.code, "invalid-option");
      assert.match(error.message, message);
    });
  }
});

describe("several tabs", { timeout: 180_000 }, () => {
  for (const store of ["opfs", "cache"]) {
    it(`share one download: ${store}`, async () => {
      const model = shared.model({ shards: 6 });
      const [one, other] = [await shared.tab(), await shared.tab()];
      for (const file of shardFiles(model)) model.next(file, trickle(20_000, 30));
      (await Promise.all([one.load({ store }), other.load({ store })])).forEach(isPicture);
      eachOnce(model);
      assert.equal(one.progress.networkBytes + other.progress.networkBytes, 600_000);
    });
  }

  it("and two engines of one page share one, too", async () => {
    const model = shared.model({ shards: 6 });
    const tab = await shared.tab();
    (await Promise.all([tab.load(), tab.load()])).forEach(isPicture);
    eachOnce(model);
  });

  it("take over from one that is closed, at the same byte", async () => {
    const model = shared.model({ shards: 1 });
    const [one, other] = [await shared.tab(), await shared.tab()];
    model.next("shard-0.bin", holdAt(40_000, () => new Promise(() => {})));
    void one.load().catch(() => undefined);
    await until(() => one.progress?.networkBytes === 40_000);
    const loading = other.load();
    await until(() => other.progress?.phase === "download");
    await setTimeout(3000);
    assert.equal(model.asked("shard-0.bin").length, 1, "the other tab waits");
    await one.page.close();
    isPicture(await loading);
    assert.deepEqual(model.asked("shard-0.bin").map(({ start }) => start), [0, 40_000]);
    eachOnce(model);
  });

  it("stop waiting for another when aborted", async () => {
    const model = shared.model({ shards: 1 });
    const [one, other] = [await shared.tab(), await shared.tab()];
    let release;
    model.next("shard-0.bin", holdAt(40_000, () => new Promise((resolve) => (release = resolve))));
    const first = one.load();
    await until(() => one.progress?.networkBytes === 40_000);
    const { error } = await other.load({ abortAfter: 1000 });
    assert.equal(error?.name, "TimeoutError");
    release();
    isPicture(await first);
    await loadsFromStore(other, model);
    eachOnce(model);
  });
});

/** Files of the model that the browser has in whole and marked. */
async function verifiedShards(tab, model) {
  const { shards } = JSON.parse(model.files.get("manifest.json"));
  const kept = await tab.page.evaluate(keptFiles);
  return shards.filter(({ sha256, bytes }) => kept[`shard-${sha256}`] === bytes + 1).map(({ file }) => file);
}

describe("aborting a load", { timeout: 300_000 }, () => {
  it("at 25 random moments rejects each time, and the next load works", async () => {
    const random = randomNumbers(SEED + 2);
    // Four at a time, and 1.2 s each at least: longer in all than several of the moments together.
    const model = shared.model({ shards: 16, shardBytes: 60_000 });
    for (const file of shardFiles(model)) model.always(file, trickle(3_000, 60));
    const tab = await shared.tab();
    const moments = Array.from({ length: 25 }, () => Math.floor(random() * 1200));
    console.log(`seed ${SEED}: aborted after ${moments.join(", ")} ms`);
    let aborted = 0;
    const verified = new Map();
    for (const abortAfter of moments) {
      const { error, ...picture } = await tab.load({ abortAfter });
      for (const file of await verifiedShards(tab, model)) if (!verified.has(file)) verified.set(file, model.asked(file).length);
      if (error) {
        assert.equal(error.name, "TimeoutError", JSON.stringify(error));
        aborted++;
      } else {
        isPicture(picture);
      }
    }
    assert.ok(aborted >= 4, `${aborted} were aborted`);
    isPicture(await tab.load());
    assert.ok(verified.size > 0, "some shards were verified before");
    for (const [file, requests] of verified) assert.equal(model.asked(file).length, requests, `${file} was verified, and not asked for again`);
    await loadsFromStore(tab, model);
  });
});
