import assert from "node:assert/strict";
import { mkdtempSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { serve } from "../../../scripts/serve.mjs";

describe("serve", () => {
  let folder, server;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "tenstep-serve-"));
    mkdirSync(join(folder, "site"));
    writeFileSync(join(folder, "secret.txt"), "secret");
    writeFileSync(join(folder, "site", "index.html"), "<p>home");
    writeFileSync(join(folder, "site", "engine.wasm"), "0123456789");
    symlinkSync(join(folder, "secret.txt"), join(folder, "site", "link.txt"));
    server = await serve({ folder: join(folder, "site") });
  });
  after(async () => {
    await server.close();
    rmSync(folder, { recursive: true });
  });

  /** Without fetch, which would tidy the address up. */
  const get = (path, headers = {}, method = "GET") =>
    new Promise((resolve, reject) => {
      const port = new URL(server.url).port;
      request({ host: "127.0.0.1", port, path, headers, method }, (response) => {
        let body = "";
        response.on("data", (chunk) => (body += chunk)).on("end", () => resolve({ status: response.statusCode, headers: response.headers, body }));
      }).on("error", reject).end();
    });

  it("serves the page and gives wasm its type", async () => {
    assert.equal((await get("/")).body, "<p>home");
    assert.equal((await get("/engine.wasm?x=1")).headers["content-type"], "application/wasm");
  });

  it("serves ranges", async () => {
    const part = await get("/engine.wasm", { range: "bytes=2-4" });
    assert.deepEqual([part.status, part.body, part.headers["content-range"]], [206, "234", "bytes 2-4/10"]);
    assert.equal((await get("/engine.wasm", { range: "bytes=-3" })).body, "789");
    assert.equal((await get("/engine.wasm", { range: "bytes=8-" })).body, "89");
    assert.equal((await get("/engine.wasm", { range: "bytes=10-" })).status, 416);
  });

  it("answers HEAD without a body, and refuses other methods", async () => {
    const head = await get("/engine.wasm", {}, "HEAD");
    assert.deepEqual([head.status, head.body, head.headers["content-length"]], [200, "", "10"]);
    assert.equal((await get("/", {}, "POST")).status, 405);
  });

  it("stays inside its folder", async () => {
    for (const path of ["/../secret.txt", "/%2e%2e/secret.txt", "/..%2fsecret.txt", "/link.txt", "/%00", "/%zz", "/missing"]) {
      assert.equal((await get(path)).status, 404, path);
    }
  });
});
