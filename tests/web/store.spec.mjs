// What stays in the browser between loads: kept once verified, mended when damaged, done without when there is no room,
// and listed and removed by the package's `storage`.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { dist } from "../../scripts/paths.mjs";
import { answerWithFakes } from "./fake/site.mjs";
import { fakeModel } from "./fake/model.mjs";
import { launchFirefox } from "./harness/browsers.mjs";
import { MANIFEST_PATH } from "./harness/default-model.mjs";
import { cutAt, holdAt, refuse, serveModel, status } from "./harness/faults.mjs";
import { openSite } from "./harness/site.mjs";
import { keptFiles, tabs, until } from "./harness/tabs.mjs";

const shared = tabs();
const isPicture = (result) => assert.equal(result.width, 64, JSON.stringify(result.error));
const shardFiles = (model) => [...model.files.keys()].filter((file) => file !== "manifest.json");
const askedAfter = (model, before) => model.requests.slice(before).map(({ file }) => file);
const storage = (tab, call, ...given) => tab.page.evaluate(([call, given]) => outcome(window.storage[call](...given)), [call, given]);

/** A worker that runs `patch` before the package's own. */
function patchedWorker(patch) {
  shared.site.answerBytes("/patch.js", Buffer.from(`(${patch})();`), "text/javascript");
  shared.site.answerBytes("/patched-worker.js", Buffer.from('import "/patch.js"; import "/tenstep/worker.js";'), "text/javascript");
  return { workerUrl: "/patched-worker.js" };
}

describe("a model that was loaded", { timeout: 180_000 }, () => {
  it("loads again from the store, and says so", async () => {
    const model = shared.model();
    const tab = await shared.tab();
    const { storage: first } = await tab.load();
    assert.deepEqual([first.kind, first.manifest], ["opfs", "network"]);
    await tab.open();
    isPicture(await tab.load());
    assert.deepEqual(askedAfter(model, 4), ["manifest.json"]);
    assert.deepEqual(
      [tab.progress.loadedBytes, tab.progress.cachedBytes, tab.progress.networkBytes, tab.progress.uploadedBytes],
      [300_000, 300_000, 0, 300_000],
    );
  });

  it("loads while the server is down, from the manifest that was kept", async () => {
    const model = shared.model({ revision: "abc" });
    const tab = await shared.tab();
    await tab.load();
    for (const fault of [refuse(), status(503)]) {
      for (const file of model.files.keys()) model.always(file, fault);
      const result = await tab.load();
      isPicture(result);
      assert.deepEqual([result.storage.manifest, result.revision], ["store", "abc"]);
    }
    for (const file of model.files.keys()) model.always(file, status(404));
    const { error } = await tab.load();
    assert.match(error?.message ?? "", /HTTP 404/, "what is gone is not hidden");
  });

  it("gives way to the server's next revision, whose new shards alone are fetched", async () => {
    const old = shared.model({ revision: "old" });
    const tab = await shared.tab();
    await tab.load();
    const files = fakeModel({ revision: "new" });
    const [manifest, kept] = [JSON.parse(files.get("manifest.json")), JSON.parse(old.files.get("manifest.json")).shards[0]];
    manifest.shards[0] = kept;
    files.set("shard-0.bin", old.files.get("shard-0.bin")).set("manifest.json", Buffer.from(JSON.stringify(manifest)));
    const model = serveModel(shared.site, files);
    const result = await tab.load();
    assert.equal(result.revision, "new");
    assert.deepEqual(askedAfter(model, 0).sort(), ["manifest.json", "shard-1.bin", "shard-2.bin"]);
    const names = Object.keys(await tab.page.evaluate(keptFiles)).filter((name) => name.startsWith("shard-"));
    assert.deepEqual(names.sort(), manifest.shards.map(({ sha256 }) => `shard-${sha256}`).sort(), "the old ones are gone");
  });

  it("is the same default model, with the real engine", async () => {
    shared.site.reset();
    const tab = await shared.tab();
    const picture = () =>
      tab.page.evaluate(async (manifest) => {
        const tenstep = await Tenstep.load({ manifest });
        const { data } = facts(await tenstep.generate({ prompt: "a red apple", seed: 3, steps: 1 }));
        await tenstep.dispose();
        return data;
      }, MANIFEST_PATH);
    const first = await picture();
    assert.ok(shared.site.requests.some((path) => path.endsWith(".bin")));
    await tab.open();
    shared.site.requests.length = 0;
    assert.deepEqual(await picture(), first);
    assert.deepEqual(shared.site.requests.filter((path) => path.endsWith(".bin")), []);
  });

  it("comes back from the store after its engine crashed", async () => {
    const model = shared.model();
    const tab = await shared.tab();
    const next = await tab.page.evaluate(async () => {
      const tenstep = await Tenstep.load({ manifest: "/fake/manifest.json" });
      const { interruptions } = await tenstep.generate({ prompt: "fake: trap once" });
      await tenstep.dispose();
      return interruptions.map(({ code }) => code);
    });
    assert.deepEqual(next, ["engine-crashed"]);
    assert.deepEqual(askedAfter(model, 4), ["manifest.json"]);
  });
});

describe("an entry that is damaged", { timeout: 180_000 }, () => {
  const damages = {
    "has one bit flipped": (bytes) => void (bytes[50_000] ^= 1),
    "is cut short": (bytes) => bytes.subarray(0, 60_000),
    "has grown": (bytes) => Uint8Array.from([...bytes, 1, 2, 3]),
    "is all zeros": (bytes) => void bytes.fill(0),
    "is empty": () => new Uint8Array(),
  };
  for (const [name, damage] of Object.entries(damages)) {
    it(`between sessions because it ${name}, is mended by fetching what it lacks`, async () => {
      const model = shared.model();
      const tab = await shared.tab();
      await tab.load();
      const { sha256 } = JSON.parse(model.files.get("manifest.json")).shards[1];
      await tab.page.evaluate(
        async ([name, source]) => {
          const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("tenstep-v1");
          const handle = await folder.getFileHandle(name);
          const bytes = new Uint8Array(await (await handle.getFile()).arrayBuffer());
          const damaged = new Function(`return (${source})`)()(bytes) ?? bytes;
          const writer = await handle.createWritable();
          await writer.write(damaged);
          await writer.close();
        },
        [`shard-${sha256}`, damage.toString()],
      );
      const before = model.requests.length;
      await tab.open();
      isPicture(await tab.load());
      assert.deepEqual(askedAfter(model, before), ["manifest.json", "shard-1.bin"]);
      assert.equal(model.requests.at(-1).start, name === "is cut short" ? 60_000 : 0);
      isPicture(await tab.load());
      assert.deepEqual(askedAfter(model, before + 2), ["manifest.json"], "and stays mended");
    });
  }
});

describe("a record that another tab writes while it is read", { timeout: 180_000 }, () => {
  it("is read again: the model comes from the store", async () => {
    const model = shared.model();
    const tab = await shared.tab();
    await tab.load();
    const worker = patchedWorker(() => {
      const { text } = Blob.prototype;
      let reads = 0;
      File.prototype.text = function () {
        return ++reads <= 2 ? Promise.reject(new DOMException("it has changed", "NotReadableError")) : text.call(this);
      };
    });
    const result = await tab.load(worker);
    isPicture(result);
    assert.equal(result.storage.kind, "opfs", result.storage.reason);
    assert.deepEqual(askedAfter(model, 4), ["manifest.json"]);
  });

  it("and that can never be read, costs the store and not the load", async () => {
    shared.model();
    const tab = await shared.tab();
    await tab.load();
    const worker = patchedWorker(() => {
      File.prototype.text = () => Promise.reject(new DOMException("it has changed", "NotReadableError"));
    });
    const result = await tab.load(worker);
    isPicture(result);
    assert.match(result.storage.reason, /failed.*it has changed/);
  });
});

describe("a browser with less", { timeout: 180_000 }, () => {
  it("without the origin private file system, keeps the model in Cache Storage", async () => {
    const model = shared.model();
    const tab = await shared.tab();
    const worker = patchedWorker(() => delete StorageManager.prototype.getDirectory);
    const { storage: report } = await tab.load(worker);
    assert.equal(report.kind, "cache");
    assert.match(report.reason, /file system cannot be used.*Cache Storage keeps/);
    isPicture(await tab.load(worker));
    assert.deepEqual(askedAfter(model, 4), ["manifest.json"]);
    const { value } = await storage(tab, "list");
    assert.deepEqual(value.map(({ bytes, isComplete }) => [bytes, isComplete]), [[300_000, true]]);
    await storage(tab, "clear");
    assert.equal((await storage(tab, "size")).value.bytes, 0);
  });

  it("goes on with a broken download in Cache Storage too", async () => {
    const model = shared.model({ shards: 1, shardBytes: 3_500_000 });
    const tab = await shared.tab();
    model.next("shard-0.bin", cutAt(3_000_000, () => new Promise(() => {})));
    void tab.load({ store: "cache" }).catch(() => undefined);
    await until(() => tab.progress?.networkBytes === 3_000_000);
    await tab.open();
    isPicture(await tab.load({ store: "cache" }));
    const { start } = model.asked("shard-0.bin").at(-1);
    assert.ok(start > 1_000_000 && start <= 3_000_000, `${start}`);
    assert.equal(tab.progress.cachedBytes, start);
    isPicture(await tab.load({ store: "cache" }));
    assert.equal(model.asked("shard-0.bin").length, 2);
  });

  it("without any store, loads all the same, and says so", async () => {
    const model = shared.model();
    const tab = await shared.tab();
    const worker = patchedWorker(() => {
      delete StorageManager.prototype.getDirectory;
      Object.defineProperty(self, "caches", { value: undefined });
    });
    const result = await tab.load(worker);
    isPicture(result);
    assert.equal(result.storage.kind, "none");
    assert.match(result.storage.reason, /cannot be used.*cannot be used/);
    assert.equal(result.storage.persisted, false);
    isPicture(await tab.load(worker));
    assert.equal(model.requests.length, 8);
  });

  it("that is asked to keep nothing, keeps nothing", async () => {
    shared.model();
    const tab = await shared.tab();
    const { storage: report } = await tab.load({ store: "none" });
    assert.equal(report.kind, "none");
    assert.equal((await storage(tab, "size")).value.bytes, 0);
  });

  it("without locks between tabs, loads and keeps", async () => {
    const model = shared.model();
    const tab = await shared.tab();
    const worker = patchedWorker(() => Object.defineProperty(navigator, "locks", { value: undefined }));
    isPicture(await tab.load(worker));
    isPicture(await tab.load(worker));
    assert.deepEqual(askedAfter(model, 4), ["manifest.json"]);
  });

  it("with no room left, loads without keeping the rest, and says so", async () => {
    const model = shared.model({ shards: 6, shardBytes: 500_000 });
    const tab = await shared.tab();
    const session = await shared.context.newCDPSession(tab.page);
    await session.send("Storage.overrideQuotaForOrigin", { origin: new URL(shared.site.url).origin, quotaSize: 1_200_000 });
    const result = await tab.load();
    isPicture(result);
    assert.equal(result.storage.kind, "none");
    assert.match(result.storage.reason, /storage is full/);
    await session.send("Storage.overrideQuotaForOrigin", { origin: new URL(shared.site.url).origin });
    isPicture(await tab.load());
    const before = model.requests.length;
    isPicture(await tab.load());
    assert.deepEqual(askedAfter(model, before), ["manifest.json"], "with room again, all is kept");
  });

  for (const operation of ["getSize", "read", "write", "truncate", "flush", "close"]) {
    it(`whose file system fails at ${operation}, loads all the same`, async () => {
      const model = shared.model();
      const tab = await shared.tab();
      const worker = patchedWorker(`() => {
        FileSystemSyncAccessHandle.prototype.${operation} = () => { throw new DOMException("broken", "InvalidStateError"); };
      }`);
      const result = await tab.load(worker);
      isPicture(result);
      assert.equal(result.storage.kind, "none");
      assert.match(result.storage.reason, /failed.*broken/);
      isPicture(await tab.load());
      const before = model.requests.length;
      isPicture(await tab.load());
      assert.deepEqual(askedAfter(model, before), ["manifest.json"], "once it works again, all is kept");
    });
  }
});

describe("a file that cannot be flushed", { timeout: 180_000 }, () => {
  it("is let go of all the same: the worker's next load has it", async () => {
    shared.model();
    const tab = await shared.tab();
    const worker = patchedWorker(() => {
      const { flush } = FileSystemSyncAccessHandle.prototype;
      let broken = null;
      FileSystemSyncAccessHandle.prototype.flush = function () {
        broken ??= this;
        if (this === broken) throw new DOMException("broken", "InvalidStateError");
        flush.call(this);
      };
    });
    const kinds = await tab.page.evaluate(async (worker) => {
      const manifest = "/fake/manifest.json";
      const first = await Tenstep.load({ manifest, ...worker });
      const second = await Tenstep.load({ manifest, beside: first });
      return [first.storage.kind, second.storage.kind];
    }, worker);
    assert.deepEqual(kinds, ["none", "opfs"]);
  });
});

describe("clearing while a load runs", { timeout: 180_000 }, () => {
  const ways = {
    "by the package": (tab) => storage(tab, "clear"),
    "by the browser": async (tab) => {
      const session = await shared.context.newCDPSession(tab.page);
      await session.send("Storage.clearDataForOrigin", { origin: new URL(shared.site.url).origin, storageTypes: "all" });
    },
  };
  for (const [name, clear] of Object.entries(ways)) {
    it(`${name}, breaks neither it nor the next`, async () => {
      const model = shared.model();
      const tab = await shared.tab();
      let release;
      model.next("shard-1.bin", holdAt(30_000, () => new Promise((resolve) => (release = resolve))));
      const loading = tab.load();
      await until(() => tab.progress?.networkBytes === 230_000 && tab.progress.uploadedBytes === 200_000);
      await clear(tab);
      release();
      isPicture(await loading);
      isPicture(await tab.load());
      const before = model.requests.length;
      isPicture(await tab.load());
      assert.deepEqual(askedAfter(model, before), ["manifest.json"], "all is kept again");
    });
  }
});

describe("storage", { timeout: 180_000 }, () => {
  it("lists models, the last used first, and removes one without touching what it shares", async () => {
    const tab = await shared.tab();
    const one = shared.model({ revision: "1" });
    const other = serveModel(shared.site, fakeModel({ revision: "2", shards: 2 }), "/other/");
    const manifest = JSON.parse(other.files.get("manifest.json"));
    manifest.shards.push({ ...JSON.parse(one.files.get("manifest.json")).shards[0], file: "../fake/shard-0.bin" });
    other.files.set("manifest.json", Buffer.from(JSON.stringify(manifest)));
    const began = Date.now();
    isPicture(await tab.load());
    isPicture(await tab.load({ manifest: "/other/manifest.json" }));
    assert.equal(one.asked("shard-0.bin").length, 1, "a shard of both is fetched once");

    const { value: models } = await storage(tab, "list");
    const facts = models.map(({ manifest, lastUsed, ...rest }) => ({ ...rest, path: new URL(manifest).pathname }));
    assert.deepEqual(facts, [
      { path: "/other/manifest.json", name: "fake", revision: "2", bytes: 300_000, totalBytes: 300_000, isComplete: true },
      { path: "/fake/manifest.json", name: "fake", revision: "1", bytes: 300_000, totalBytes: 300_000, isComplete: true },
    ]);
    for (const { lastUsed } of models) assert.ok(lastUsed.getTime() >= began && lastUsed.getTime() <= Date.now());
    isPicture(await tab.load());
    const { value: again } = await storage(tab, "list");
    assert.deepEqual(again.map(({ revision }) => revision), ["1", "2"], "the model that came from the store was used last");
    assert.ok(again[0].lastUsed > models[1].lastUsed && again[1].lastUsed.getTime() === models[0].lastUsed.getTime());
    const { value: size } = await storage(tab, "size");
    assert.ok(size.bytes >= 500_000 && size.bytes < 520_000, `${size.bytes}`);
    assert.ok(size.quotaBytes > size.bytes);

    await storage(tab, "remove", models[0].manifest);
    assert.deepEqual((await storage(tab, "list")).value.map(({ revision }) => revision), ["1"]);
    const before = one.requests.length;
    isPicture(await tab.load());
    assert.deepEqual(askedAfter(one, before), ["manifest.json"], "the model that stayed is whole");

    await storage(tab, "remove", "/fake/manifest.json");
    assert.deepEqual((await storage(tab, "list")).value, []);
    assert.deepEqual(await tab.page.evaluate(keptFiles), {});
  });

  it("does without records that are damaged", async () => {
    shared.model();
    const tab = await shared.tab();
    for (const content of ["", "{", "null", "[]", '{"manifestUrl":1,"shards":2}']) {
      await tab.load();
      await tab.page.evaluate(async (content) => {
        const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("tenstep-v1");
        for await (const [name, handle] of folder) {
          if (!name.startsWith("model-")) continue;
          const writer = await handle.createWritable();
          await writer.write(content);
          await writer.close();
        }
      }, content);
      assert.deepEqual((await storage(tab, "list")).value, [], content);
    }
    const { storage: report } = await tab.load();
    assert.equal(report.kind, "opfs");
    assert.equal((await storage(tab, "list")).value.length, 1);
  });

  it("counts an unfinished download, and clears it", async () => {
    const model = shared.model();
    const tab = await shared.tab();
    // Only once another shard is kept, for the failure ends what is under way.
    const isKept = () => tab.page.evaluate(async () => (await storage.size()).bytes > 0);
    model.always("shard-1.bin", async (answer) => {
      await until(isKept);
      status(404)(answer);
    });
    await tab.load();
    assert.ok((await storage(tab, "size")).value.bytes > 0);
    assert.deepEqual((await storage(tab, "list")).value, []);
    await storage(tab, "clear");
    assert.equal((await storage(tab, "size")).value.bytes, 0);
  });

  it("tells a model that lost a shard from a complete one", async () => {
    const model = shared.model();
    const tab = await shared.tab();
    await tab.load();
    const { sha256 } = JSON.parse(model.files.get("manifest.json")).shards[2];
    await tab.page.evaluate(async (name) => {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle("tenstep-v1");
      await folder.removeEntry(name);
    }, `shard-${sha256}`);
    const { value } = await storage(tab, "list");
    assert.deepEqual(value.map(({ bytes, totalBytes, isComplete }) => [bytes, totalBytes, isComplete]), [[200_000, 300_000, false]]);
  });

  it("refuses what is no address, and knows nothing of models that are not there", async () => {
    const tab = await shared.tab();
    assert.equal((await storage(tab, "remove", "http://[")).error?.code, "invalid-option");
    assert.equal((await storage(tab, "remove", "/nowhere/manifest.json")).error, undefined);
    assert.deepEqual((await storage(tab, "list")).value, []);
  });

  it("asks the browser to keep it, and tells the answer", async () => {
    const tab = await shared.tab();
    const { value } = await storage(tab, "persist");
    assert.equal(typeof value, "boolean");
    assert.equal((await storage(tab, "size")).value.persisted, value);
  });
});

describe("storage in a frame without an origin of its own", { timeout: 180_000 }, () => {
  it("holds nothing, and promises nothing", async () => {
    const script = readFileSync(join(dist, "tenstep", "index.js"));
    shared.site.answer("/open/index.js", (_, response) =>
      response.writeHead(200, { "content-type": "text/javascript", "access-control-allow-origin": "*" }).end(script),
    );
    shared.site.answer("/sandboxed.html", (_, response) =>
      response.writeHead(200, { "content-type": "text/html", "content-security-policy": "sandbox allow-scripts" }).end('<link rel="icon" href="data:,">'),
    );
    const page = await shared.context.newPage();
    await page.goto(`${shared.site.url}sandboxed.html`);
    const seen = await page.evaluate(async (address) => {
      const { storage } = await import(address);
      await storage.clear();
      await storage.remove("https://example.org/manifest.json");
      return [self.origin, await storage.list(), await storage.size(), await storage.persist()];
    }, `${shared.site.url}open/index.js`);
    assert.deepEqual(seen, ["null", [], { bytes: 0, quotaBytes: null, persisted: false }, false]);
  });
});

describe("Firefox", { timeout: 600_000 }, () => {
  it("keeps a model too, in either store", async () => {
    const site = await openSite();
    answerWithFakes(site);
    const browser = await launchFirefox({ webgpu: false });
    try {
      const page = await browser.open(`${site.url}test.html`);
      for (const store of ["opfs", "cache"]) {
        const model = serveModel(site, fakeModel(), `/${store}/`);
        const seen = await page.evaluate(async (store) => {
          const manifest = `/${store}/manifest.json`;
          const kinds = [];
          for (let load = 0; load < 2; load++) {
            const tenstep = await Tenstep.load({ manifest, store });
            kinds.push(tenstep.storage.kind);
            await tenstep.dispose();
          }
          const [{ isComplete }] = await storage.list();
          await storage.remove(manifest);
          return [...kinds, isComplete, (await storage.size()).bytes];
        }, store);
        assert.deepEqual(seen, [store, store, true, 0]);
        assert.deepEqual(askedAfter(model, 4), ["manifest.json"]);
      }
    } finally {
      await browser.close();
      await site.close();
    }
  });
});
