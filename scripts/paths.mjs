// Where things lie. Build outputs follow CARGO_TARGET_DIR, as cargo's own do.

import { fileURLToPath } from "node:url";
import { join, resolve } from "node:path";

export const root = fileURLToPath(new URL("..", import.meta.url));
export const target = resolve(root, process.env.CARGO_TARGET_DIR ?? "target");
export const dist = join(root, "dist");
/** Finished wasm modules with their glue, one folder a backend. */
export const wasmOutputs = { gpu: join(target, "web", "gpu"), cpu: join(target, "web", "cpu") };
