// The package's `storage` where there is no browser: servers and build tools import it and may call it.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { storage } from "../../../target/lib/index.js";

describe("storage without a browser", () => {
  it("holds nothing", async () => {
    assert.deepEqual(await storage.list(), []);
    assert.deepEqual(await storage.size(), { bytes: 0, quotaBytes: null, persisted: false });
  });

  it("has nothing to remove, and promises nothing", async () => {
    await storage.clear();
    await storage.remove("https://example.org/manifest.json");
    assert.equal(await storage.persist(), false);
  });

  it("refuses what is no address", async () => {
    await assert.rejects(storage.remove("manifest.json"), { code: "invalid-option" });
  });
});
