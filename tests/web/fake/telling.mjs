// Fake engines that tell the page what is done with them.

import { readFileSync } from "node:fs";
import { answerWithFakes } from "./site.mjs";

/** Engines say what is done with them, and which runs they have. */
export const TELLING = `{
  const engines = new BroadcastChannel("engines");
  const { create } = Engine;
  Engine.create = async (...given) => {
    engines.postMessage({ name: "create" });
    return create(...given);
  };
  const { start } = Engine.prototype;
  Engine.prototype.start = async function (...given) {
    const started = await start.apply(this, given);
    engines.postMessage({ name: "start", run: started.run });
    return started;
  };
  for (const name of ["begin", "abandon", "drop", "free"]) {
    const method = Engine.prototype[name];
    Engine.prototype[name] = function (...given) {
      engines.postMessage({ name, run: name === "drop" && given[0] });
      return method.apply(this, given);
    };
  }
}`;

export function answerWithTellingFakes(site) {
  answerWithFakes(site);
  const engine = readFileSync(new URL("engine.js", import.meta.url), "utf8");
  for (const backend of ["gpu", "cpu"]) site.answerBytes(`/tenstep/wasm/tenstep_${backend}.js`, Buffer.from(engine + TELLING), "text/javascript");
}

/** In the page: counts what engines say by name in `told`, and keeps the numbers of their live runs in `runsLeft`. */
export function listenToEngines() {
  window.told = {};
  window.runsLeft = new Set();
  new BroadcastChannel("engines").onmessage = ({ data: { name, run } }) => {
    told[name] = (told[name] ?? 0) + 1;
    if (name === "start") runsLeft.add(run);
    if (name === "drop") runsLeft.delete(run);
  };
  window.until = async (what, isTrue) => {
    for (const end = performance.now() + 60_000; !(await isTrue()); ) {
      if (performance.now() > end) throw new Error(`waited a minute for ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
}
