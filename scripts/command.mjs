// Runs other programs: their output shown, or their answer read.

import { spawn, spawnSync } from "node:child_process";
import { pathToFileURL } from "node:url";
import { root } from "./paths.mjs";

/** Runs a program in the repository with its output shown; rejects with a sentence when it fails. */
export function run(program, args, { env = {}, cwd = root } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: "inherit" });
    child.on("error", (error) => reject(new Error(`${program} could not be started: ${error.message}`)));
    child.on("close", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${[program, ...args].join(" ")} ended with ${signal ?? `exit status ${code}`}`));
    });
  });
}

/** The program's standard output without the last newline, or null where it is missing or fails. */
export function answer(program, args, { env = {} } = {}) {
  const result = spawnSync(program, args, { cwd: root, env: { ...process.env, ...env }, encoding: "utf8" });
  return result.status === 0 ? result.stdout.trimEnd() : null;
}

export function say(sentence) {
  console.log(`· ${sentence}`);
}

/** Runs `work` if the module at `url` is the program that node was started with; a failure is its sentence, and status 1. */
export async function asProgram(url, work) {
  if (process.argv[1] === undefined || url !== pathToFileURL(process.argv[1]).href) return;
  try {
    await work();
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
