// Rust's standard library for wasm32-unknown-unknown: rustup's, or Debian's Rust which builds it from source.

import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { answer, run, say } from "../command.mjs";
import { aptInstall, canInstallWithApt } from "./apt.mjs";
import { findRust, isNewEnough, OLDEST_RUST } from "./rust.mjs";

const TARGET = "wasm32-unknown-unknown";
const DEBIAN_PACKAGES = ["rustc-web", "cargo-web", "rust-web-src", "lld-19"];
const DEBIAN_PROGRAMS = ["/usr/bin/cargo", "/usr/bin/rustc", "/usr/bin/wasm-ld-19"];

/** How to compile for wasm here: `{ cargo, env, args, version }`. TENSTEP_WASM_RUST=debian insists on Debian's Rust. */
export async function setUpWasmTarget() {
  if (process.env.TENSTEP_WASM_RUST !== "debian") {
    const rustup = await viaInstalledRust();
    if (rustup) return rustup;
  }
  return viaDebian();
}

async function viaInstalledRust() {
  const { env, version } = findRust();
  const way = { cargo: "cargo", env, args: [], version };
  if (hasStandardLibrary(env)) {
    say(`wasm target: the installed ${version.split(" (")[0]} has ${TARGET}.`);
    return way;
  }
  if (answer("rustup", ["--version"], { env }) === null) {
    say(`wasm target: this Rust lacks ${TARGET}, and there is no rustup to add it.`);
    return null;
  }
  say(`wasm target: adding Rust's standard library for ${TARGET} with rustup, to compile for the browser.`);
  await run("rustup", ["target", "add", TARGET], { env }).catch((error) => say(error.message));
  return hasStandardLibrary(env) ? way : null;
}

function hasStandardLibrary(env) {
  const sysroot = answer("rustc", ["--print", "sysroot"], { env });
  const folder = sysroot && join(sysroot, "lib", "rustlib", TARGET, "lib");
  return Boolean(folder) && existsSync(folder) && readdirSync(folder).some((file) => file.startsWith("libstd-"));
}

async function viaDebian() {
  const isInstalled = () => DEBIAN_PROGRAMS.every((program) => existsSync(program)) && hasDebianSource() && isNewEnough(debianVersion());
  if (!isInstalled() && canInstallWithApt()) {
    await aptInstall(DEBIAN_PACKAGES, `Debian's Rust can build the standard library for ${TARGET} from source.`);
  }
  if (!isInstalled()) {
    throw new Error(
      `No way to compile for ${TARGET} with Rust ${OLDEST_RUST} or newer. Either run "rustup target add ${TARGET}", or, on Debian, as root: apt-get install ${DEBIAN_PACKAGES.join(" ")}`,
    );
  }
  const version = debianVersion();
  say(`wasm target: Debian's ${version.split(" (")[0]}, which builds the standard library from source (a minute, once).`);
  return {
    cargo: "/usr/bin/cargo",
    env: {
      RUSTC: "/usr/bin/rustc",
      RUSTC_BOOTSTRAP: "1",
      CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER: "/usr/bin/wasm-ld-19",
    },
    args: ["-Z", "build-std=std,panic_abort"],
    version,
  };
}

function debianVersion() {
  return answer("/usr/bin/rustc", ["--version"]);
}

function hasDebianSource() {
  const sysroot = answer("/usr/bin/rustc", ["--print", "sysroot"]);
  return sysroot !== null && existsSync(join(sysroot, "lib", "rustlib", "src", "rust", "library", "std", "Cargo.toml"));
}
