// Models that cannot be trusted: every damage gets its own code, and a sound model loads afterwards.

import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { launchChromium } from "./harness/browsers.mjs";
import { answerManifest, answerShard, MANIFEST_PATH, readManifest, readShard } from "./harness/default-model.mjs";
import { openSite } from "./harness/site.mjs";

const component = (manifest, name = "unet") => manifest.components.find((one) => one.name === name);
const shards = () => readManifest().components.filter(({ lazy }) => !lazy).flatMap(({ shards }) => shards);

const MANIFESTS = {
  "is not there": [(site) => site.answerStatus(MANIFEST_PATH, 404), "fetch-failed", /404/],
  "is behind a failing server": [(site) => site.answerStatus(MANIFEST_PATH, 500), "fetch-failed", /500/],
  "is a page of HTML": [(site) => answerManifest(site, () => "<!doctype html><p>Not found"), "invalid-manifest", /HTML/],
  "is no JSON": [(site) => answerManifest(site, () => "{"), "invalid-manifest"],
  "is empty": [(site) => answerManifest(site, () => ""), "invalid-manifest"],
  "lacks a field": [(site) => answerManifest(site, (manifest) => void delete manifest.components), "invalid-manifest", /components/],
  "has another schema version": [(site) => answerManifest(site, (manifest) => void (manifest.schemaVersion = 999)), "unsupported-manifest-version", /999/],
  "lacks a tensor": [
    (site) =>
      answerManifest(site, (manifest) => {
        component(manifest).tensors.find(({ name }) => name === "conv_in.weight").name = "conv_in.other";
      }),
    "missing-tensor",
    /conv_in\.weight/,
  ],
  "has a tensor of another shape": [
    (site) =>
      answerManifest(site, (manifest) => {
        // Its rows stay, so that it takes as many bytes in every storage type.
        const { shape } = component(manifest).tensors.find(({ name }) => name === "conv_in.weight");
        shape.push(...shape.splice(1).reverse());
      }),
    "tensor-shape",
    /conv_in\.weight/,
  ],
  "promises a tensor of impossible size": [
    (site) => answerManifest(site, (manifest) => void (component(manifest).tensors[0].shape = [2 ** 50, 2 ** 50])),
    "invalid-manifest",
  ],
  "promises a shard of impossible size": [
    (site) => answerManifest(site, (manifest) => void (component(manifest).shards[0].bytes = 2 ** 40)),
    "invalid-manifest",
  ],
  "points out of its folder": [
    (site) => answerManifest(site, (manifest) => void (component(manifest).shards[0].file = "../../secret.bin")),
    "invalid-manifest",
  ],
  "asks for an unknown architecture": [
    (site) => answerManifest(site, (manifest) => void (component(manifest).config.down_block_types = ["MagicBlock2D"])),
    "unsupported-config",
    /MagicBlock2D/,
  ],
};

const SHARDS = {
  "is not there": [(site, { file }) => site.answerStatus(`/models/default/${file}`, 404), "fetch-failed", /404/],
  "is truncated": [(site, shard) => answerShard(site, shard, readShard(shard.file).subarray(0, shard.bytes - 4)), "shard-size"],
  "is empty": [(site, shard) => answerShard(site, shard, Buffer.alloc(0)), "shard-size"],
  "is too long": [(site, shard) => answerShard(site, shard, Buffer.concat([readShard(shard.file), Buffer.alloc(4)])), "shard-size"],
  "goes on for ever": [
    (site, { file }) =>
      site.answer(`/models/default/${file}`, (_, response) => {
        const piece = Buffer.alloc(1 << 16);
        const more = () => {
          while (!response.destroyed && response.write(piece));
        };
        response.on("drain", more);
        more();
      }),
    "shard-size",
  ],
  "has one bit flipped": [
    (site, shard) => {
      const bytes = readShard(shard.file);
      bytes[bytes.length >> 1] ^= 0x10;
      answerShard(site, shard, bytes);
    },
    "shard-hash",
  ],
};

describe("a damaged model", { timeout: 180_000 }, () => {
  let site, browser, page;
  before(async () => {
    site = await openSite();
    browser = await launchChromium({ webgpu: false });
    page = await browser.open(`${site.url}test.html`);
    await page.evaluate((manifest) => {
      window.loadModel = async () => {
        const loaded = await outcome(Tenstep.load({ manifest, store: "none" }));
        if (!loaded.value) return loaded.error;
        const { error } = await outcome(loaded.value.generate({ steps: 1 }));
        await loaded.value.dispose();
        return error ?? "fine";
      };
    }, MANIFEST_PATH);
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });
  afterEach(async () => {
    site.reset();
    assert.equal(await page.evaluate(() => loadModel()), "fine", "the sound model loads and makes pictures");
  });

  async function refuses(code, message) {
    const error = await page.evaluate(() => loadModel());
    assert.equal(error.code, code, JSON.stringify(error));
    assert.ok(error.isTenstepError);
    if (message) assert.match(error.message, message);
  }

  for (const [name, [damage, code, message]] of Object.entries(MANIFESTS)) {
    it(`whose manifest ${name} is refused: ${code}`, async () => {
      damage(site);
      await refuses(code, message);
    });
  }

  for (const [name, [damage, code, message]] of Object.entries(SHARDS)) {
    it(`whose last shard ${name} is refused: ${code}`, async () => {
      const shard = shards().at(-1);
      damage(site, shard);
      await refuses(code, message ?? new RegExp(shard.file.replaceAll(".", "\\.")));
    });
  }

  it("whose shards are swapped is refused", async () => {
    const [one, other] = pairOfEqualLength(shards());
    answerShard(site, one, readShard(other.file));
    answerShard(site, other, readShard(one.file));
    await refuses("shard-hash");
  });

  it("is fetched once more, past caches, where a cache had damaged it", async () => {
    const shard = shards().at(-1);
    const path = `/models/default/${shard.file}`;
    let asked = 0;
    site.answer(path, (_, response) => {
      const bytes = readShard(shard.file);
      if (asked++ === 0) bytes[0] ^= 1;
      response.writeHead(200, { "content-length": bytes.length, "cache-control": "max-age=3600" }).end(bytes);
    });
    assert.equal(await page.evaluate(() => loadModel()), "fine");
    assert.equal(asked, 2);
  });
});

function pairOfEqualLength(all) {
  for (const one of all) {
    const other = all.find((shard) => shard !== one && shard.bytes === one.bytes);
    if (other) return [one, other];
  }
  throw new Error("the default model has no two shards of equal length to swap");
}
