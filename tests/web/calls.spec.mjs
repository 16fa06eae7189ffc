// What a step asks of the browser on WebGPU: each call from wasm to JavaScript takes its time, and each submission too.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { dist } from "../../scripts/paths.mjs";
import { launchChromium } from "./harness/browsers.mjs";
import { MANIFEST_PATH, sizeOf } from "./harness/default-model.mjs";
import { openSite } from "./harness/site.mjs";

const WORKER = "/tenstep/worker.js";
/** Steps until every bind group has been met. */
const WARM_STEPS = 3;
/** A list of dispatches is replayed: what is left are the solver's own few, and what a step takes in any case. */
const MOST_CALLS_A_DISPATCH = 1.5;

/** The worker counts, and tells whoever asks. Its clock stands still: for a device that takes no time, nothing is sent in pieces. */
const COUNTING = `{
  performance.now = () => 1;
  const counts = { calls: {}, dispatches: 0, submits: 0 };
  const counted = (call, name) => function (...given) {
    counts.calls[name] = (counts.calls[name] ?? 0) + 1;
    return call.apply(this, given);
  };
  const wrapped = (members) => Object.fromEntries(
    Object.entries(members).map(([name, member]) => [name, typeof member === "function" ? counted(member, name) : member]),
  );
  for (const name of ["instantiate", "instantiateStreaming"]) {
    const original = WebAssembly[name];
    WebAssembly[name] = (source, imports) =>
      original.call(WebAssembly, source, Object.fromEntries(Object.entries(imports).map(([module, members]) => [module, wrapped(members)])));
  }
  for (const [prototype, method, what] of [[GPUComputePassEncoder.prototype, "dispatchWorkgroups", "dispatches"], [GPUQueue.prototype, "submit", "submits"]]) {
    const original = prototype[method];
    prototype[method] = function (...given) {
      counts[what]++;
      return original.apply(this, given);
    };
  }
  const channel = new BroadcastChannel("counts");
  channel.onmessage = () => {
    channel.postMessage(structuredClone(counts));
    Object.assign(counts, { calls: {}, dispatches: 0, submits: 0 });
  };
}
`;

describe("a guided step on WebGPU", { timeout: 300_000 }, () => {
  it(`is sent at once, with at most ${MOST_CALLS_A_DISPATCH} calls from wasm to JavaScript a dispatch, clones included`, async () => {
    const site = await openSite();
    site.answerBytes(WORKER, Buffer.from(COUNTING + readFileSync(join(dist, WORKER), "utf8")), "text/javascript");
    const browser = await launchChromium({ webgpu: true });
    try {
      const page = await browser.open(`${site.url}test.html`);
      const { calls, dispatches, submits } = await page.evaluate(async ([manifest, warmSteps, size]) => {
        const channel = new BroadcastChannel("counts");
        const counts = () => new Promise((resolve) => ((channel.onmessage = ({ data }) => resolve(data)), channel.postMessage("how many?")));
        const tenstep = await Tenstep.load({ manifest, backend: "webgpu" });
        const run = await tenstep.start({ prompt: "a red apple", seed: 7, ...size });
        for (let step = 0; step < warmSteps; step++) await run.step();
        await counts();
        await run.step();
        return counts();
      }, [MANIFEST_PATH, WARM_STEPS, sizeOf(1)]);
      const total = Object.values(calls).reduce((sum, count) => sum + count, 0);
      console.log(`${total} calls from wasm to JavaScript, ${dispatches} dispatches, ${submits} submits`);
      assert.ok(dispatches > 100, "an evaluation was among what was counted");
      assert.ok(total <= MOST_CALLS_A_DISPATCH * dispatches, JSON.stringify(calls));
      // The second copies latents and preview to where they can be read.
      assert.equal(submits, 2);
    } finally {
      await browser.close();
      await site.close();
    }
  });
});
