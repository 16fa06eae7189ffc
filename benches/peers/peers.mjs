// What our side is measured beside: where each peer can run, and what it lacks here.

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/paths.mjs";
import { EXPORT, exported, here } from "./site.mjs";

/**
 * `missing(network)` is a sentence where the peer cannot run a network, else null; `files(network)` are those in exported/ that it loads;
 * `description` is null where there is none.
 */
export const peers = {
  "onnxruntime-web": {
    devices: ["cpu", "webgpu"],
    get description() {
      const version = installedVersion();
      return version && `onnxruntime-web ${version}`;
    },
    missing(network) {
      if (installedVersion() === null) return "it is not installed: npm install --prefix benches/peers";
      return existsSync(join(exported, `${network}.onnx`)) ? null : `it has no ONNX file: ${EXPORT(network)}`;
    },
    // Weights that do not fit the first file are in others, as export.py names them.
    files(network) {
      const isPart = (file) => file.startsWith(`${network}-0`) && file.endsWith(".weights");
      return [`${network}.onnx`, ...readdirSync(exported).filter(isPart)];
    },
  },
  // It takes our graph and our weights, so it lacks nothing once it is compiled.
  "burn-wgpu": {
    devices: ["webgpu"],
    get description() {
      return `Burn ${lockedVersion("burn-tensor")} on wgpu, with fusion and autotune`;
    },
    missing: () => null,
    files: () => [],
  },
};

function installedVersion() {
  const path = join(here, "node_modules", "onnxruntime-web", "package.json");
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).version : null;
}

function lockedVersion(crate) {
  return new RegExp(`name = "${crate}"\nversion = "(.*)"`).exec(readFileSync(join(root, "Cargo.lock"), "utf8"))[1];
}
