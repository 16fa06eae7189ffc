// Finds a cargo that works and is new enough.

import { existsSync, readFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { answer, say } from "../command.mjs";
import { root } from "../paths.mjs";

/** The oldest Rust that compiles this crate, such as "1.95". */
export const OLDEST_RUST = /^rust-version = "(.+)"$/m.exec(readFileSync(join(root, "Cargo.toml"), "utf8"))[1];

let found = null;

/** `{ env }` under which `cargo` and `rustc` work; throws a sentence where there is none. */
export function findRust() {
  found ??= search();
  return found;
}

function search() {
  const candidates = [{}, ...rustupHomesBesideProxies()];
  const tooOld = [];
  for (const env of candidates) {
    const version = answer("rustc", ["--version"], { env });
    if (version === null || answer("cargo", ["--version"], { env }) === null) continue;
    if (!isNewEnough(version)) {
      tooOld.push(version);
      continue;
    }
    if (env.RUSTUP_HOME) say(`Rust: rustup has no toolchain under this HOME; using those in ${env.RUSTUP_HOME}.`);
    return { env, version };
  }
  const seen = tooOld.length > 0 ? `Rust ${OLDEST_RUST} or newer is needed, and this is ${tooOld[0]}.` : "No working Rust was found.";
  throw new Error(`${seen} Install it from https://rustup.rs (${OLDEST_RUST} or newer), then run this again.`);
}

/** Whether what `rustc --version` answered is at least as new as `oldest`. */
export function isNewEnough(version, oldest = OLDEST_RUST) {
  const numbers = (text) => /(\d+)\.(\d+)/.exec(text).slice(1).map(Number);
  const [[major, minor], [leastMajor, leastMinor]] = [numbers(version), numbers(oldest)];
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
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
