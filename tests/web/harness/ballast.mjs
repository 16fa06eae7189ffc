// A model of any weight: the default model with one more component that nothing reads, made on the fly.

import { createHash } from "node:crypto";
import { answerManifest } from "./default-model.mjs";

const SHARD_BYTES = 4 << 20;
const TENSOR_BYTES = 16 << 20;

/** Serves the default model with `mebibytes` more of weights (a multiple of 4, or less than 4). */
export function answerWithBallast(site, mebibytes) {
  const bytes = mebibytes << 20;
  const parts = (size) => Array.from({ length: Math.ceil(bytes / size) }, (_, index) => Math.min(size, bytes - index * size));
  const tensors = parts(TENSOR_BYTES).map((size, index) => ({ name: `ballast.${index}`, shape: [size / 4], dtype: "f32" }));
  const shards = parts(SHARD_BYTES).map((size, index) => {
    const content = () => Buffer.alloc(size, index + 1);
    const file = `ballast-${index}.bin`;
    site.answer(`/models/default/${file}`, (_, response) => response.writeHead(200, { "content-length": size }).end(content()));
    return { file, bytes: size, sha256: createHash("sha256").update(content()).digest("hex") };
  });
  answerManifest(site, (manifest) => {
    const firstLazy = manifest.components.findIndex(({ lazy }) => lazy);
    const place = firstLazy < 0 ? manifest.components.length : firstLazy;
    manifest.components.splice(place, 0, { name: "ballast", config: {}, tensors, shards });
  });
}
