// Debian packages, where this machine lets us install them.

import { existsSync } from "node:fs";
import { run, say } from "../command.mjs";

export function canInstallWithApt() {
  return existsSync("/usr/bin/apt-get") && process.getuid?.() === 0;
}

/** Installs packages; says which and why. Gives false where that fails. */
export async function aptInstall(packages, why) {
  say(`Installing Debian packages ${packages.join(" ")}: ${why}`);
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  try {
    // Old lists would give old browsers: WebGPU in Firefox needs a new one. Without a network they have to do.
    await run("apt-get", ["update", "-qq"], { env, stdout: process.stderr }).catch((error) => say(error.message));
    await run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], { env, stdout: process.stderr });
    return true;
  } catch (error) {
    say(error.message);
    return false;
  }
}
