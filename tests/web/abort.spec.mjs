// An abort is heard soon, at any moment, and leaves nothing behind.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { dist } from "../../scripts/paths.mjs";
import { launchChromium } from "./harness/browsers.mjs";
import { MANIFEST_PATH, sizeOf } from "./harness/default-model.mjs";
import { renderersAndGpuProcesses, settledKibibytes } from "./harness/resident-memory.mjs";
import { openSite } from "./harness/site.mjs";

const LOADS = 15;
const PICTURES = 35;
/** Aborts within an evaluation, of which the median counts. */
const ABORTS = 3;
const SEED = 20261126;
/** Aborts of pictures until every pool has found its size, and what those that follow may add: less than one of their arenas each. */
const WARM_PICTURES = 10;
const MEMORY_LIMIT_KIB = 20 * 1024;
/** What is read back after a step. */
const READ_BACK_BYTES = 9216;

/** Counts the worker's GPU buffers, and tells whoever asks on a channel. */
const COUNTING = `
  const live = new Map();
  if (globalThis.GPUDevice) {
    const { createBuffer } = GPUDevice.prototype;
    GPUDevice.prototype.createBuffer = function (descriptor) {
      const buffer = createBuffer.call(this, descriptor);
      live.set(buffer, descriptor.size);
      return buffer;
    };
    const { destroy } = GPUBuffer.prototype;
    GPUBuffer.prototype.destroy = function () {
      live.delete(this);
      return destroy.call(this);
    };
  }
  const channel = new BroadcastChannel("buffers");
  channel.onmessage = ({ data }) => data === "count" && channel.postMessage({ buffers: live.size, bytes: [...live.values()].reduce((sum, bytes) => sum + bytes, 0) });
`;

/** Numbers from 0 to 1, the same each time (mulberry32). */
function randomNumbers(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe("an abort", { timeout: 1_200_000 }, () => {
  let site;
  before(async () => {
    site = await openSite();
    const worker = readFileSync(join(dist, "tenstep", "worker.js"), "utf8");
    site.answerBytes("/tenstep/worker.js", Buffer.from(worker + COUNTING), "text/javascript");
  });
  after(() => site.close());

  async function inChromium(backend, work) {
    const browser = await launchChromium({ webgpu: backend === "webgpu" });
    try {
      const page = await browser.open(`${site.url}test.html`);
      await page.evaluate(([manifest, backend]) => {
        window.load = (options) => Tenstep.load({ manifest, backend, ...options });
        window.timed = async (work) => {
          const began = performance.now();
          await work();
          return performance.now() - began;
        };
        const channel = new BroadcastChannel("buffers");
        window.buffers = () => new Promise((resolve) => {
          channel.onmessage = ({ data }) => resolve(data);
          channel.postMessage("count");
        });
        /** Aborts `start(signal)` after so long; how it ended. */
        window.abortAfter = async (millis, start) => {
          const abort = new AbortController();
          const ending = outcome(start(abort.signal));
          await new Promise((resolve) => setTimeout(resolve, millis));
          abort.abort();
          const { error, value } = await ending;
          return { error: error?.name ?? null, code: error?.code, message: error?.message, value };
        };
      }, [MANIFEST_PATH, backend]);
      await work(page);
    } finally {
      await browser.close();
    }
  }

  // Sizes whose evaluation takes long enough to be aborted within.
  for (const [backend, units] of [["webgpu", 8], ["cpu", 16]]) {
    it(`is heard within an evaluation, between its pieces, on ${backend}`, async () => {
      await inChromium(backend, async (page) => {
        const { evaluation, next, alone } = await page.evaluate(async ([large, small, ABORTS]) => {
          const tenstep = await load();
          // Twice: the first of each prepares its size.
          await tenstep.generate(small);
          const alone = await timed(() => tenstep.generate(small));
          const { timings } = await tenstep.generate(large);
          const evaluation = Math.max(...timings.steps);
          const nexts = [];
          for (let count = 0; count < ABORTS; count++) {
            const abort = new AbortController();
            const aborted = outcome(tenstep.generate({ ...large, steps: 50, signal: abort.signal }));
            await new Promise((resolve) => setTimeout(resolve, 0.3 * evaluation));
            abort.abort();
            nexts.push(await timed(() => tenstep.generate(small)));
            await aborted;
          }
          const next = nexts.sort((a, b) => a - b)[(ABORTS - 1) / 2];
          await tenstep.dispose();
          return { evaluation, next, alone };
        }, [{ prompt: "a", ...sizeOf(units), steps: 2 }, { prompt: "a", ...sizeOf(2), steps: 1 }, ABORTS]);
        console.log(`${backend}: an evaluation of ${evaluation.toFixed(0)} ms; after an abort at 30 % of one, a picture of ${alone.toFixed(0)} ms is there in ${next.toFixed(0)} ms (median of ${ABORTS})`);
        assert.ok(evaluation > 300, `the evaluation of ${evaluation} ms is too short to tell`);
        assert.ok(next - alone < 0.5 * evaluation, `the next picture waited ${next - alone} ms`);
      });
    });
  }

  it(`at ${LOADS} random moments of load and ${PICTURES} of generate: AbortError, no buffer left, no memory held, the next picture is made`, async () => {
    const random = randomNumbers(SEED);
    await inChromium("webgpu", async (page) => {
      const loading = await page.evaluate(() => timed(async () => (window.tenstep = await load())));
      const ends = { AbortError: 0, done: 0 };
      for (let count = 0; count < LOADS; count++) {
        const { error, code, message, value } = await page.evaluate(async (millis) => {
          const { value, ...ending } = await abortAfter(millis, (signal) => load({ signal }));
          await value?.dispose();
          return { ...ending, value: Boolean(value) };
        }, random() * loading);
        assert.ok(error === "AbortError" || value, `a load ended with ${error} ${code}: ${message}`);
        ends[error ?? "done"]++;
      }
      const picture = { prompt: "a red apple", seed: 1, ...sizeOf(2), steps: 3 };
      const { undisturbed, drawing } = await page.evaluate(async (picture) => {
        const undisturbed = facts(await tenstep.generate(picture)).data;
        return { undisturbed, drawing: await timed(() => tenstep.generate(picture)) };
      }, picture);
      const before = await page.evaluate(() => buffers());
      let warm;
      for (let count = 0; count < PICTURES; count++) {
        if (count === WARM_PICTURES) warm = await settledKibibytes(renderersAndGpuProcesses);
        const { error, code, message, value } = await page.evaluate(async ([millis, picture]) => {
          const { value, ...ending } = await abortAfter(millis, (signal) => tenstep.generate({ ...picture, signal }));
          return { ...ending, value: Boolean(value) };
        }, [random() * drawing, picture]);
        assert.ok(error === "AbortError" || value, `a picture ended with ${error} ${code}: ${message}`);
        ends[error ?? "done"]++;
      }
      const again = await page.evaluate(async (picture) => facts(await tenstep.generate(picture)).data, picture);
      const after = await page.evaluate(() => buffers());
      const grown = (await settledKibibytes(renderersAndGpuProcesses)) - warm;
      console.log(`seed ${SEED}: ${ends.AbortError} aborted, ${ends.done} done before; ${before.buffers} buffers of ${before.bytes} bytes before, ${after.buffers} of ${after.bytes} after; ${grown} KiB more held than after ${WARM_PICTURES} pictures`);
      assert.ok(grown <= MEMORY_LIMIT_KIB, `${grown} KiB`);
      assert.deepEqual(again, undisturbed);
      assert.ok(ends.AbortError >= (LOADS + PICTURES) / 2, "most moments lay within");
      assert.ok(before.buffers > 0);
      // The ring of read-backs makes its second buffer when it first needs one; a leak would be one an abort.
      const ring = after.buffers > before.buffers ? 1 : 0;
      assert.deepEqual(after, { buffers: before.buffers + ring, bytes: before.bytes + ring * READ_BACK_BYTES });
    });
  });
});
