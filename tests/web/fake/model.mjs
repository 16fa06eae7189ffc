// A model for the fake engine: a manifest and shards of noise, as a table from file to bytes.

import { createHash, randomBytes } from "node:crypto";

export function fakeModel({ shards = 3, shardBytes = 100_000, revision = "0" } = {}) {
  const contents = Array.from({ length: shards }, () => randomBytes(shardBytes));
  const listed = contents.map((bytes, index) => ({
    file: `shard-${index}.bin`,
    bytes: bytes.length,
    sha256: createHash("sha256").update(bytes).digest("hex"),
    component: "unet",
  }));
  const manifest = Buffer.from(JSON.stringify({ name: "fake", revision, shards: listed }));
  return new Map([["manifest.json", manifest], ...contents.map((bytes, index) => [`shard-${index}.bin`, bytes])]);
}
