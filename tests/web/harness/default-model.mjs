// The model that the page ships, and ways to damage it.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dist } from "../../../scripts/paths.mjs";

export const MANIFEST_PATH = "/models/default/manifest.json";
const FOLDER = join(dist, "models", "default");

export function readManifest() {
  const path = join(FOLDER, "manifest.json");
  if (!existsSync(path)) throw new Error("dist/ holds no default model; www/models/default is needed");
  return JSON.parse(readFileSync(path, "utf8"));
}

/**
 * Width and height in units of the smallest picture's side: what a picture costs hangs on its latents, and not on how many
 * pixels the model's autoencoder makes of them.
 */
export function sizeOf(width, height = width) {
  const halvings = ({ config }) => config.block_out_channels.length - 1;
  const named = (wanted) => readManifest().components.find(({ name }) => name === wanted);
  const unit = 2 ** (halvings(named("vae_decoder")) + halvings(named("unet")));
  return { width: width * unit, height: height * unit };
}

export function readShard(file) {
  return readFileSync(join(FOLDER, file));
}

/** Serves a changed manifest: `change` edits a copy of the real one, or gives a text to serve instead. */
export function answerManifest(site, change) {
  const manifest = readManifest();
  const text = change(manifest) ?? JSON.stringify(manifest);
  site.answerBytes(MANIFEST_PATH, Buffer.from(text), "application/json");
}

/** Serves other bytes for one shard. */
export function answerShard(site, shard, bytes) {
  site.answerBytes(`/models/default/${shard.file}`, bytes);
}
