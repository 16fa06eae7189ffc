// A fresh project in a temporary folder: the files of an example, npm install, the commands that its user would type.

import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { root } from "../../../scripts/paths.mjs";

const MODEL = join(root, "www", "models", "default");
/** npm's codes where the registry cannot be reached, or has not what is asked for. */
const UNREACHABLE = /npm error code (ENOTFOUND|EAI_AGAIN|ECONN\w+|E(?:NET|HOST)UNREACH|ETIMEDOUT|ERR_SOCKET_TIMEOUT|E403|E404|E429|E5\d\d)/;
const UNFIT_NODE = /npm error notsup Not compatible with your version of node\/npm: (.+)@/;

/** An example that cannot be tried on this machine; its message says why. */
export class LeftOut extends Error {}

/** `folders` are laid over each other, later ones win. */
export function createProject(name, folders) {
  const folder = mkdtempSync(join(tmpdir(), `tenstep-${name}-`));
  for (const source of folders) cpSync(join(root, source), folder, { recursive: true });
  const env = { NEXT_TELEMETRY_DISABLED: "1", CI: "1" };
  return {
    folder,
    /** What its commands see beyond this program's own environment. */
    env,
    /** Throws LeftOut where npm cannot get the project's packages. */
    install: async (...packages) => {
      const install = (...flags) => command(folder, env, "npm", ["install", "--prefer-offline", "--no-audit", "--no-fund", ...flags, ...packages]);
      let { status, output } = await install("--engine-strict");
      const unfit = UNFIT_NODE.exec(output)?.[1];
      if (unfit) {
        if (directPackages(folder).includes(unfit)) throw new LeftOut(`${unfit} wants another Node than ${process.version}`);
        ({ status, output } = await install());
      }
      const code = UNREACHABLE.exec(output)?.[1];
      if (code) throw new LeftOut(`npm cannot fetch its packages (${code})`);
      if (status !== 0) throw new Error(`npm install failed:\n${output}`);
    },
    run: async (script, ...args) => {
      const { status, output } = await command(folder, env, "npm", ["run", script, "--", ...args]);
      if (status !== 0) throw new Error(`npm run ${script} failed:\n${output}`);
      return output;
    },
    node: (...args) => command(folder, env, process.execPath, args),
    /** Puts the default model where servers of bundlers look for files that they leave alone. */
    addModel: (place) => cpSync(MODEL, join(folder, place, "models", "default"), { recursive: true }),
    serve: (program, ...args) => serveProject(folder, env, program, args),
    remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }),
  };
}

function directPackages(folder) {
  const { dependencies, devDependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return Object.keys({ ...dependencies, ...devDependencies });
}

function command(cwd, env, program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env: { ...process.env, ...env } });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (output += text));
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, output }));
  });
}

/** Starts a bundler's own server, `program` by its path in node_modules: `{ url, close() }`. */
async function serveProject(cwd, env, program, args) {
  const port = await freePort();
  const command = [join("node_modules", program), ...args, "--port", String(port)];
  const server = spawn(process.execPath, command, { cwd, env: { ...process.env, ...env } });
  let output = "";
  for (const stream of [server.stdout, server.stderr]) stream.on("data", (text) => (output += text));
  let hasEnded = false;
  const ended = new Promise((resolve) => server.on("close", resolve)).then(() => (hasEnded = true));
  const url = `http://localhost:${port}/`;
  while (!(await answers(url))) {
    if (hasEnded) throw new Error(`${program} ended:\n${output}`);
    await setTimeout(100);
  }
  return {
    url,
    close: async () => {
      server.kill();
      await ended;
    },
  };
}

async function answers(url) {
  try {
    await (await fetch(url)).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((ready) => server.listen(0, "localhost", ready));
  const { port } = server.address();
  await new Promise((closed) => server.close(closed));
  return port;
}
