// Finds a cargo that works.

import { existsSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { answer, say } from "../command.mjs";

let found = null;

/** `{ env }` under which `cargo` and `rustc` work; throws a sentence where there is none. */
export function findRust() {
  found ??= search();
  return found;
}

function search() {
  const candidates = [{}, ...rustupHomesBesideProxies()];
  for (const env of candidates) {
    const version = answer("rustc", ["--version"], { env });
    if (version === null || answer("cargo", ["--version"], { env }) === null) continue;
    if (env.RUSTUP_HOME) say(`Rust: rustup has no toolchain under this HOME; using those in ${env.RUSTUP_HOME}.`);
    return { env, version };
  }
  throw new Error("No working Rust was found. Install it from https://rustup.rs (1.95 or newer), then run this again.");
}

/** rustup looks for its toolchains under HOME. Where HOME is another one than at installation, they lie beside .cargo. */
function rustupHomesBesideProxies() {
  return (process.env.PATH ?? "")
    .split(delimiter)
    .filter((folder) => folder.endsWith(join(".cargo", "bin")))
    .map((folder) => join(dirname(dirname(folder)), ".rustup"))
    .filter((home) => existsSync(home))
    .map((home) => ({ RUSTUP_HOME: home }));
}
