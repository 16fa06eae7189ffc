// Runs other programs: their output shown, or their answer read.

import { spawn, spawnSync } from "node:child_process";
import { pathToFileURL } from "node:url";
import { root } from "./paths.mjs";

/**
 * Runs a program in the repository with its output shown, on standard error where this program's own output is for others to read;
 * rejects with a sentence when it fails.
 */
export function run(program, args, { env = {}, cwd = root, stdout = "inherit" } = {}) {
  return ended(spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ["inherit", stdout, "inherit"] }));
}

/** Runs a program in the repository and gives its output, errors included; rejects with a sentence, and the output beside it, when it fails. */
export async function runHeld(program, args) {
  const child = spawn(program, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (output += text));
  try {
    await ended(child);
  } catch (error) {
    throw Object.assign(error, { output });
  }
  return output;
}

function ended(child) {
  const [program] = child.spawnargs;
  return new Promise((resolve, reject) => {
    child.on("error", (error) => reject(new Error(`${program} could not be started: ${error.message}`)));
    child.on("close", (code, signal) => {
      if (code === 0) resolve();
      else reject(new Error(`${child.spawnargs.join(" ")} ended with ${signal ?? `exit status ${code}`}`));
    });
  });
}

/** The program's standard output without the last newline, or null where it is missing or fails. */
export function answer(program, args, { env = {} } = {}) {
  const result = spawnSync(program, args, { cwd: root, env: { ...process.env, ...env }, encoding: "utf8" });
  return result.status === 0 ? result.stdout.trimEnd() : null;
}

/** Says how things go, beside the results on standard output. */
export function say(sentence) {
  console.error(`· ${sentence}`);
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
