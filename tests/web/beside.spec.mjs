// Several models in one worker: one engine and one device for them, and each goes its own way to its end.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, beforeEach, describe, it } from "node:test";
import { pathToFileURL } from "node:url";
import { dist } from "../../scripts/paths.mjs";
import { fakeModel } from "./fake/model.mjs";
import { answerWithTellingFakes, listenToEngines, TELLING } from "./fake/telling.mjs";
import { crashGpuProcess, launchChromium } from "./harness/browsers.mjs";
import { MANIFEST_PATH, sizeOf } from "./harness/default-model.mjs";
import { openSite } from "./harness/site.mjs";

const built = (path) => readFileSync(join(dist, "tenstep", path), "utf8");

/** Opens the test page, with workers and what engines say counted on it. */
async function openPage(browser, site) {
  const page = await browser.open(`${site.url}test.html`);
  await page.evaluate(listenToEngines);
  await page.evaluate(() => {
    window.workers = { started: 0, ended: 0 };
    window.Worker = class extends Worker {
      constructor(...given) {
        super(...given);
        workers.started++;
      }
      terminate() {
        workers.ended++;
        super.terminate();
      }
    };
    window.pixels = async (call) => String((await call).image.data);
  });
  return page;
}

describe("models beside each other", { timeout: 240_000 }, () => {
  let site, browser, page;

  before(async () => {
    site = await openSite();
    answer();
    browser = await launchChromium({ webgpu: false });
  });
  // A fresh page each time: workers of the last may still have something to tell.
  beforeEach(async () => {
    answer();
    await page?.close();
    page = await openPage(browser, site);
    await page.evaluate(() => {
      window.load = (options) => Tenstep.load({ manifest: "/fake/manifest.json", ...options });
      /** Two, the second of another manifest. */
      window.two = async () => {
        const first = await load();
        return [first, await load({ manifest: "/other/manifest.json", beside: first })];
      };
    });
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });

  function answer() {
    answerWithTellingFakes(site);
    for (const [file, bytes] of fakeModel({ revision: "other" })) site.answerBytes(`/other/${file}`, bytes);
  }

  it("take one worker and one engine, and tell their own manifests", async () => {
    site.requests.length = 0;
    const seen = await page.evaluate(async () => {
      const [first, second] = await two();
      const third = await load({ beside: second });
      const revisions = [first, second, third].map(({ model }) => model.revision);
      const { started, ended } = workers;
      for (const tenstep of [third, first, second]) await tenstep.dispose();
      return { revisions, started, ended, left: workers.started - workers.ended, made: told.create, begun: told.begin };
    });
    assert.deepEqual(seen, { revisions: ["0", "other", "0"], started: 1, ended: 0, left: 0, made: 1, begun: 3 });
    assert.equal(site.requests.filter((path) => path === "/tenstep/wasm/tenstep_cpu.js").length, 1);
  });

  it("are asked in the order of the calls, and runs of both take steps in turn", async () => {
    const seen = await page.evaluate(async () => {
      const [first, second] = await two();
      const order = [];
      const one = (tenstep, seed) => tenstep.generate({ seed, steps: 2, onStep: ({ step }) => order.push(`${seed}:${step}`) });
      const pictures = await Promise.all([one(first, 1), one(second, 2), one(first, 3)]);
      const runs = [await first.start({ seed: 4, steps: 3 }), await second.start({ seed: 5, steps: 3 })];
      const alone = await Promise.all([4, 5].map((seed) => pixels(first.generate({ seed, steps: 3 }))));
      while (!runs[0].done) for (const run of runs) await run.step();
      const inTurn = await Promise.all(runs.map((run) => pixels(run.image())));
      await runs[0].dispose();
      const codes = [await outcome(runs[0].image()), await outcome(runs[1].image())].map(({ error }) => error?.code);
      for (const tenstep of [first, second]) await tenstep.dispose();
      return { order, seeds: pictures.map(({ seed }) => seed), same: alone.map((picture, at) => picture === inTurn[at]), codes };
    });
    assert.deepEqual(seen.order, ["1:1", "1:2", "2:1", "2:2", "3:1", "3:2"]);
    assert.deepEqual(seen.seeds, [1, 2, 3]);
    assert.deepEqual(seen.same, [true, true]);
    assert.deepEqual(seen.codes, ["disposed", undefined]);
  });

  it("are aborted each for itself, under way and waiting", async () => {
    const seen = await page.evaluate(async () => {
      const [first, second] = await two();
      const aborts = [new AbortController(), new AbortController()];
      const underWay = outcome(first.generate({ steps: 1000, signal: aborts[0].signal, onStep: ({ step }) => step === 2 && aborts[0].abort() }));
      const waiting = outcome(second.generate({ signal: aborts[1].signal }));
      const others = [outcome(second.generate({ seed: 1, steps: 2 })), outcome(first.generate({ seed: 2, steps: 2 }))];
      aborts[1].abort();
      const ends = [(await waiting).error.name, (await underWay).error.name];
      const seeds = (await Promise.all(others)).map(({ value }) => value?.seed);
      for (const tenstep of [first, second]) await tenstep.dispose();
      return { ends, seeds };
    });
    assert.deepEqual(seen, { ends: ["AbortError", "AbortError"], seeds: [1, 2] });
  });

  it("are busy each for itself", async () => {
    const seeds = await page.evaluate(async () => {
      const [first, second] = await two();
      const calls = [first.generate({ seed: 1, steps: 20 }), second.generate({ seed: 2, steps: 1, whenBusy: "reject" }), second.generate({ seed: 3, steps: 1, whenBusy: "replace" })];
      const ends = (await Promise.all(calls.map(outcome))).map(({ value, error }) => value?.seed ?? error.name);
      for (const tenstep of [first, second]) await tenstep.dispose();
      return ends;
    });
    assert.deepEqual(seeds, [1, "AbortError", 3]);
  });

  for (const [name, at] of [["first", 0], ["second", 1]]) {
    it(`go on when the ${name} is disposed in the middle of a picture and of a run, which frees it`, async () => {
      const seen = await page.evaluate(async (at) => {
        const both = await two();
        const [gone, left] = at === 0 ? both : [...both].reverse();
        const started = Promise.withResolvers();
        const run = await gone.start({ steps: 3 });
        await run.step();
        const kept = await left.start({ steps: 3 });
        await kept.step();
        const underWay = outcome(gone.generate({ steps: 1000, onStep: started.resolve }));
        const step = outcome(run.step());
        const other = outcome(left.generate({ seed: 7, steps: 2 }));
        await started.promise;
        await gone.dispose();
        const codes = [await underWay, await step, await outcome(gone.generate()), await outcome(run.image())].map(({ error }) => error?.code);
        const { interruptions, seed } = (await other).value;
        await run.dispose();
        const step2 = (await kept.step()).step;
        await kept.dispose();
        await left.generate({ steps: 1 });
        await until("the end of runs", () => told.start === 5 && runsLeft.size === 0);
        const workersThen = { ...workers };
        const toldThen = { ...told };
        await left.dispose();
        return { codes, seed, interruptions, step2, workersThen, ended: workers.ended, abandoned: toldThen.abandon, freed: toldThen.free };
      }, at);
      assert.deepEqual(seen, {
        codes: ["disposed", "disposed", "disposed", "disposed"], seed: 7, interruptions: [], step2: 2,
        workersThen: { started: 1, ended: 0 }, ended: 1, abandoned: 1, freed: undefined,
      });
    });
  }

  it("do not wait for the step or the picture that a disposed one has under way", async () => {
    const seeds = await page.evaluate(async () => {
      const seeds = [];
      const left = await load();
      for (const begin of [async (gone) => (await gone.start({ prompt: "fake: endless" })).step(), (gone) => gone.generate({ prompt: "fake: endless" })]) {
        const gone = await load({ beside: left });
        const underWay = outcome(begin(gone));
        await new Promise((resolve) => setTimeout(resolve, 200));
        const other = left.generate({ seed: 3, steps: 1 });
        await gone.dispose();
        seeds.push((await underWay).error?.code, (await other).seed);
      }
      await left.dispose();
      return seeds;
    });
    assert.deepEqual(seeds, ["disposed", 3, "disposed", 3]);
  });

  for (const [loss, code] of [["trap", "engine-crashed"], ["device lost", "device-lost"], ["trap in a callback", "engine-crashed"], ["trap in a promise", "engine-crashed"]]) {
    it(`all go on after "${loss}" in one, in one new worker`, async () => {
      const seen = await page.evaluate(async (loss) => {
        const [first, second] = await two();
        const undisturbed = [await pixels(first.generate({ seed: 4, steps: 5 })), await pixels(second.generate({ seed: 5, steps: 5 }))];
        const idle = await load({ beside: first });
        const run = await second.start({ seed: 5, steps: 5 });
        for (let step = 0; step < 3; step++) await run.step();
        const pictures = [first.generate({ prompt: `fake: ${loss} once`, seed: 4, steps: 5 }), second.generate({ seed: 5, steps: 5 })];
        const step = run.step();
        const same = [];
        for (const [at, picture] of pictures.entries()) same.push((await pixels(picture)) === undisturbed[at]);
        await step;
        while (!run.done) await run.step();
        same.push((await pixels(run.image())) === undisturbed[1]);
        const losses = [...(await Promise.all(pictures)), run].map(({ interruptions }) => interruptions.map(({ code, step }) => [code, step]));
        const begun = told.begin;
        await idle.generate({ steps: 1 });
        const counts = [begun, told.begin, told.create, workers.started, workers.started - workers.ended];
        for (const tenstep of [first, second, idle]) await tenstep.dispose();
        return { same, losses, counts, left: workers.started - workers.ended };
      }, loss);
      assert.deepEqual(seen.same, [true, true, true]);
      assert.deepEqual(seen.losses, [[[code, 2]], [[code, 0]], [[code, 3]]]);
      assert.deepEqual(seen.counts, [5, 6, 2, 2, 1], "three models begun, two of them again at once, the third when it is asked");
      assert.equal(seen.left, 0);
    });
  }

  for (const loss of ["trap", "device lost"]) {
    it(`outlive one that ends each engine with "${loss}", and so does a load`, async () => {
      const seen = await page.evaluate(async (prompt) => {
        const [first, second] = await two();
        const calls = [first.generate({ prompt }), second.generate({ seed: 3, steps: 2 }), load({ beside: second })].map(outcome);
        const [failed, picture, third] = await Promise.all(calls);
        const seeds = [picture.value?.seed];
        for (const tenstep of [first, third.value]) seeds.push((await tenstep.generate({ seed: 6, steps: 1 })).seed);
        for (const tenstep of [first, second, third.value]) await tenstep.dispose();
        return { code: failed.error?.code, seeds, left: workers.started - workers.ended };
      }, `fake: ${loss}`);
      assert.deepEqual(seen, { code: loss === "trap" ? "engine-crashed" : "device-lost", seeds: [3, 6, 6], left: 0 });
    });
  }

  it("are not held up by a load that waits for the network; its abort leaves them as they are", async () => {
    site.answer("/other/shard-2.bin", () => {}); // For ever.
    const seen = await page.evaluate(async () => {
      const first = await load();
      const run = await first.start({ steps: 3 });
      await run.step();
      const abort = new AbortController();
      const arriving = Promise.withResolvers();
      const onProgress = ({ uploadedBytes }) => uploadedBytes >= 200_000 && arriving.resolve();
      const loading = outcome(load({ manifest: "/other/manifest.json", store: "none", beside: first, signal: abort.signal, onProgress }));
      await arriving.promise;
      const { seed, interruptions } = await first.generate({ seed: 8, steps: 2 });
      abort.abort();
      const { error } = await loading;
      await run.step();
      await until("the end of the load", () => told.abandon === 1);
      const state = { seed, interruptions, name: error.name, steps: run.stepsDone, lost: run.interruptions, workers: { ...workers }, free: told.free };
      await first.dispose();
      return state;
    });
    assert.deepEqual(seen, { seed: 8, interruptions: [], name: "AbortError", steps: 2, lost: [], workers: { started: 1, ended: 0 }, free: undefined });
  });

  it("are not disturbed by aborts at any moment of a load, and nothing of it stays", async () => {
    const seen = await page.evaluate(async () => {
      const first = await load();
      const alone = await pixels(first.generate({ seed: 1, steps: 3 }));
      const ends = {};
      const same = [];
      for (let count = 0; count < 24; count++) {
        const abort = new AbortController();
        const loading = outcome(load({ manifest: "/other/manifest.json", beside: first, signal: abort.signal }));
        const picture = pixels(first.generate({ seed: 1, steps: 3 }));
        await new Promise((resolve) => setTimeout(resolve, 4 * count));
        abort.abort();
        const { value, error } = await loading;
        await value?.dispose();
        ends[error?.name ?? "done"] = true;
        same.push((await picture) === alone);
      }
      await until("the end of loads", () => told.begin - 1 === (told.abandon ?? 0));
      const state = { ends: Object.keys(ends), isSame: same.every(Boolean), workers: { ...workers }, made: told.create };
      await first.dispose();
      return state;
    });
    assert.ok(seen.ends.includes("AbortError"), `${seen.ends}`);
    assert.deepEqual([seen.isSame, seen.workers, seen.made], [true, { started: 1, ended: 0 }, 1]);
  });

  const failures = {
    "a manifest that is not there": [() => site.answerStatus("/other/manifest.json", 404), "fetch-failed", 0],
    "a manifest that is none": [() => site.answerBytes("/other/manifest.json", Buffer.from("{}")), "invalid-manifest", 0],
    "a shard that is not there": [() => site.answerStatus("/other/shard-1.bin", 404), "fetch-failed", 1],
    "a damaged shard": [() => site.answerBytes("/other/shard-1.bin", Buffer.alloc(100_000)), "shard-hash", 1],
  };
  for (const [name, [spoil, code, abandoned]] of Object.entries(failures)) {
    it(`are left as they are by a load that fails for ${name}, which can be tried again`, async () => {
      spoil();
      await page.evaluate(async () => {
        window.first = await load();
        window.run = await first.start({ steps: 3 });
        await run.step();
      });
      const failed = await page.evaluate(async () => (await outcome(load({ manifest: "/other/manifest.json", store: "none", beside: first }))).error);
      answer();
      const seen = await page.evaluate(async (abandoned) => {
        await run.step();
        await until("the end of the load", () => (told.abandon ?? 0) === abandoned);
        const second = await load({ manifest: "/other/manifest.json", beside: first });
        await second.generate({ steps: 1 });
        const state = { steps: run.stepsDone, lost: run.interruptions, workers: { ...workers }, made: told.create, free: told.free };
        for (const tenstep of [first, second]) await tenstep.dispose();
        return state;
      }, abandoned);
      assert.equal(failed?.code, code, failed?.message);
      assert.deepEqual(seen, { steps: 2, lost: [], workers: { started: 1, ended: 0 }, made: 1, free: undefined });
    });
  }

  it("may lose the one that a load is beside, before that has ended", async () => {
    const seen = await page.evaluate(async () => {
      const first = await load();
      const loading = load({ manifest: "/other/manifest.json", beside: first });
      await first.dispose();
      const second = await loading;
      const { seed } = await second.generate({ seed: 2, steps: 1 });
      const state = [seed, workers.started, workers.ended];
      await second.dispose();
      return [...state, workers.ended];
    });
    assert.deepEqual(seen, [2, 1, 0, 1]);
  });

  it("come back from a loss after the first was disposed, with the files and the backend of its load", async () => {
    site.answerBytes("/elsewhere/worker.js", Buffer.from(built("worker.js").replaceAll("./wasm/", "/tenstep/wasm/")), "text/javascript");
    const seen = await page.evaluate(async () => {
      const first = await load({ workerUrl: "/elsewhere/worker.js", backend: "cpu" });
      const second = await load({ beside: first });
      await first.dispose();
      const { interruptions } = await second.generate({ prompt: "fake: trap once" });
      const state = [interruptions.length, second.backend.reason, workers.started];
      await second.dispose();
      return state;
    });
    assert.deepEqual(seen, [1, "The CPU was asked for.", 2]);
    assert.equal(site.requests.filter((path) => path === "/elsewhere/worker.js").length, 2);
  });

  it("are refused beside what is no Tenstep or was disposed, and with files of their own", async () => {
    const seen = await page.evaluate(async () => {
      const gone = await load();
      await gone.dispose();
      const wrong = [null, {}, "first", () => gone, Object.create(Tenstep.prototype)].map((beside) => ({ beside }));
      const files = [{ workerUrl: "/tenstep/worker.js" }, { wasmUrl: "/tenstep/wasm/" }].map((file) => ({ ...file, beside: gone }));
      const ends = [];
      for (const options of [...wrong, ...files, { beside: gone }]) ends.push((await outcome(load(options))).error);
      return ends.map(({ isTenstepError, code, message }) => [isTenstepError, code, message]);
    });
    const codes = seen.map(([isOurs, code]) => [isOurs, code]);
    assert.deepEqual(codes, [...Array(7).fill([true, "invalid-option"]), [true, "disposed"]]);
    assert.match(seen[0][2], /^beside must be what Tenstep\.load gave, not null/);
    assert.match(seen[5][2], /^workerUrl must be left out with beside/);
    assert.match(seen[6][2], /^wasmUrl must be left out with beside/);
  });
});

describe("models beside each other on the CPU", { timeout: 240_000 }, () => {
  const PICTURES = [{ prompt: "a red apple", seed: 7, steps: 3, ...sizeOf(2) }, { prompt: "a tree", seed: 8, steps: 3, ...sizeOf(3, 2) }];
  /** In eight loads, each of which takes ten times as much. */
  const GROWTH_LIMIT_BYTES = 4 << 20;
  /** Each worker says that it lives when somebody asks. */
  const ROLL_CALL = `{
    const channel = new BroadcastChannel("workers");
    channel.onmessage = ({ data }) => data === "who is there?" && channel.postMessage("I am");
  }
  `;
  let site, browser, page;

  before(async () => {
    site = await openSite();
    site.answerBytes("/tenstep/worker.js", Buffer.from(ROLL_CALL + built("worker.js")), "text/javascript");
    site.answerBytes("/tenstep/wasm/tenstep_cpu.js", Buffer.from(built("wasm/tenstep_cpu.js") + TELLING), "text/javascript");
    browser = await launchChromium({ webgpu: false });
    page = await openPage(browser, site);
    await page.evaluate((manifest) => {
      window.load = (options) => Tenstep.load({ manifest, backend: "cpu", ...options });
      window.joined = (tenstep) => until("two threads", () => tenstep.backend.threads === 2);
      const channel = new BroadcastChannel("workers");
      window.living = async () => {
        let count = 0;
        channel.onmessage = () => count++;
        channel.postMessage("who is there?");
        await new Promise((resolve) => setTimeout(resolve, 500));
        return count;
      };
    }, MANIFEST_PATH);
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });

  it("give the pictures that they give alone, in every byte, each with a second thread of its own until its end", async () => {
    const seen = await page.evaluate(async (pictures) => {
      const single = await load({ threads: 1 });
      const alone = [];
      for (const picture of pictures) alone.push(await pixels(single.generate(picture)));
      await single.dispose();
      const both = [await load({ threads: 2 })];
      both.push(await load({ threads: 2, beside: both[0] }));
      await Promise.all(both.map(joined));
      const counts = [await living()];
      const together = await Promise.all(both.map((tenstep, at) => pixels(tenstep.generate(pictures[at]))));
      const runs = await Promise.all(both.map((tenstep, at) => tenstep.start(pictures[at])));
      while (!runs[0].done) for (const run of runs) await run.step();
      const inTurn = await Promise.all(runs.map((run) => pixels(run.image())));
      await both[0].dispose();
      await until("the end of one second thread", async () => (await living()) === 2);
      const left = await pixels(both[1].generate(pictures[1]));
      const threads = both[1].backend.threads;
      await both[1].dispose();
      await until("the end of workers", async () => (await living()) === 0);
      const same = [...together.map((picture, at) => picture === alone[at]), ...inTurn.map((picture, at) => picture === alone[at]), left === alone[1]];
      // Of the single one, of the two, and of their second threads.
      return { same, counts, threads, made: told.create, abandoned: told.abandon };
    }, PICTURES);
    assert.deepEqual(seen, { same: Array(5).fill(true), counts: [3], threads: 2, made: 4, abandoned: 1 });
  });

  it("share one engine's memory, which does not grow with the loads that there have been", async () => {
    const memory = `
      const { finish } = Engine.prototype;
      const sizes = new BroadcastChannel("memory");
      Engine.prototype.finish = async function (model) {
        await finish.call(this, model);
        sizes.postMessage(wasm.memory.buffer.byteLength);
      };`;
    site.answerBytes("/tenstep/wasm/tenstep_cpu.js", Buffer.from(built("wasm/tenstep_cpu.js") + memory), "text/javascript");
    const sizes = await page.evaluate(async (picture) => {
      const sizes = [];
      new BroadcastChannel("memory").onmessage = ({ data }) => sizes.push(data);
      const first = await load({ threads: 1 });
      for (let count = 0; count < 12; count++) {
        const second = await load({ threads: 1, beside: first });
        await second.generate(picture);
        await second.dispose();
      }
      await until("the sizes", () => sizes.length === 13);
      await first.dispose();
      return sizes;
    }, PICTURES[0]);
    console.log(`bytes of wasm memory after each load: ${sizes.join(", ")}`);
    assert.ok(sizes.at(-1) - sizes[4] <= GROWTH_LIMIT_BYTES, `${sizes.at(-1) - sizes[4]} bytes in eight loads`);
  });

  it("live in one thread of Node", async () => {
    const { Tenstep } = await import(pathToFileURL(join(dist, "tenstep", "node", "index.js")));
    const load = (options) => Tenstep.load({ manifest: pathToFileURL(join(dist, MANIFEST_PATH)), backend: "cpu", threads: 1, ...options });
    const first = await load();
    const second = await load({ beside: first });
    const alone = (await first.generate(PICTURES[0])).image.data;
    await first.dispose();
    await assert.rejects(first.generate(), { code: "disposed" });
    assert.deepEqual((await second.generate(PICTURES[0])).image.data, alone);
    await second.dispose();
  });
});

describe("models beside each other on WebGPU", { timeout: 1_200_000 }, () => {
  const PICTURE = { prompt: "a red apple", seed: 7, steps: 1, ...sizeOf(2) };
  /** Counts the worker's devices and GPU buffers, and tells whoever asks on a channel. */
  const COUNTING = `
    const live = new Map();
    let devices = 0;
    const { requestDevice } = GPUAdapter.prototype;
    GPUAdapter.prototype.requestDevice = function (...given) {
      devices++;
      return requestDevice.apply(this, given);
    };
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
    const channel = new BroadcastChannel("gpu");
    channel.onmessage = ({ data }) => data === "count" && channel.postMessage({ devices, buffers: live.size, bytes: [...live.values()].reduce((sum, bytes) => sum + bytes, 0) });
  `;
  let site, browser, page;

  before(async () => {
    site = await openSite();
    site.answerBytes("/tenstep/worker.js", Buffer.from(built("worker.js") + COUNTING), "text/javascript");
    browser = await launchChromium({ webgpu: true });
    page = await openPage(browser, site);
    await page.evaluate((manifest) => {
      window.load = (options) => Tenstep.load({ manifest, ...options });
      const channel = new BroadcastChannel("gpu");
      window.counted = () => new Promise((resolve) => {
        channel.onmessage = ({ data }) => resolve(data);
        channel.postMessage("count");
      });
    }, MANIFEST_PATH);
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });

  it("share one device, on which only what is the other's stays when one is disposed", async () => {
    const { counts, same, backends } = await page.evaluate(async (picture) => {
      const first = await load({ backend: "webgpu" });
      const alone = await pixels(first.generate(picture));
      // Two at once, for which the engine keeps what it reads back through.
      const runs = [await first.start(picture), await first.start(picture)];
      for (const run of runs) await run.step();
      // In the midst of a picture: before its step is done, and before it is decoded.
      const { promise: hasStepped, resolve: onStep } = Promise.withResolvers();
      const during = pixels(first.generate({ ...picture, onStep }));
      await new Promise((resolve) => setTimeout(resolve));
      await runs[0].dispose();
      await hasStepped;
      await runs[1].dispose();
      const same = [(await during) === alone];
      const counts = [await counted()];
      const second = await load({ beside: first });
      const together = await Promise.all([first, second].map((tenstep) => pixels(tenstep.generate(picture))));
      const run = await second.start(picture);
      await run.step();
      const backends = [first, second].map(({ backend }) => backend.backend);
      counts.push(await counted());
      await second.dispose();
      await first.generate(picture);
      counts.push(await counted());
      const after = await pixels(first.generate(picture));
      await first.dispose();
      same.push(...[...together, after].map((picture) => picture === alone));
      return { counts, same, backends };
    }, PICTURE);
    const [before, both, left] = counts;
    console.log(`one model: ${before.buffers} buffers of ${before.bytes} bytes; two: ${both.buffers} of ${both.bytes}; one again: ${left.buffers} of ${left.bytes}`);
    assert.deepEqual(backends, ["webgpu", "webgpu"]);
    assert.deepEqual(same, [true, true, true, true]);
    assert.deepEqual(counts.map(({ devices }) => devices), [1, 1, 1]);
    assert.ok(both.bytes > before.bytes, "the second has weights of its own");
    assert.deepEqual(left, before);
  });

  it("come back together from a real loss of the device, on one device again", async () => {
    await page.evaluate(async (picture) => {
      Object.assign(workers, { started: 0, ended: 0 });
      const first = await load({ backend: "webgpu" });
      window.both = [first, await load({ beside: first })];
      window.undisturbed = await pixels(first.generate(picture));
      window.run = await both[1].start(picture);
      await run.step();
      const { promise, resolve } = Promise.withResolvers();
      window.picture = outcome(first.generate({ ...picture, onStep: resolve }));
      window.step = outcome(run.step());
      await promise;
    }, { ...PICTURE, steps: 5 });
    await crashGpuProcess(browser.browser);
    const seen = await page.evaluate(async () => {
      const { value, error } = await picture;
      const ends = [error?.code, (await step).error?.code];
      while (!run.done) await run.step();
      const same = [String(value?.image.data), await pixels(run.image())].map((data) => data === undisturbed);
      const lost = [value?.interruptions, run.interruptions].map((interruptions) => interruptions?.map(({ code }) => code));
      const { devices } = await counted();
      for (const tenstep of both) await tenstep.dispose();
      return { ends, same, lost, devices, workers };
    });
    assert.deepEqual(seen.ends, [undefined, undefined]);
    assert.deepEqual(seen.same, [true, true]);
    assert.deepEqual(seen.lost, [["device-lost"], ["device-lost"]]);
    assert.deepEqual([seen.devices, seen.workers], [1, { started: 2, ended: 2 }]);
  });

  it("may be on two backends in one worker, and each engine ends with the last of its models", async () => {
    answerWithTellingFakes(site);
    const seen = await page.evaluate(async () => {
      Object.assign(workers, { started: 0, ended: 0 });
      const manifest = "/fake/manifest.json";
      const first = await load({ manifest, backend: "cpu" });
      const second = await load({ manifest, beside: first, backend: "webgpu" });
      const backends = [first, second].map(({ backend }) => backend.backend);
      await second.dispose();
      await until("the end of one engine", () => told.free === 1);
      await first.generate({ steps: 1 });
      const state = { backends, workers: { ...workers }, made: told.create };
      const third = await load({ manifest, beside: first, backend: "webgpu" });
      await third.generate({ steps: 1 });
      for (const tenstep of [first, third]) await tenstep.dispose();
      return { ...state, again: told.create };
    });
    assert.deepEqual(seen, { backends: ["cpu", "webgpu"], workers: { started: 1, ended: 0 }, made: 2, again: 3 });
  });

  it("share the arithmetic of the one that they are beside, and take an engine for another", async () => {
    answerWithTellingFakes(site);
    const made = await page.evaluate(async () => {
      const before = told.create;
      const manifest = "/fake/manifest.json";
      const first = await load({ manifest, backend: "webgpu" });
      const second = await load({ manifest, beside: first, arithmetic: "f16" });
      const counts = [told.create - before];
      const others = [{ beside: second }, { beside: first }, { beside: second, arithmetic: "f32" }];
      const loaded = [first, second];
      for (const options of others) loaded.push(await load({ manifest, ...options }));
      counts.push(told.create - before);
      for (const tenstep of loaded) await tenstep.dispose();
      return counts;
    });
    assert.deepEqual(made, [2, 2]);
  });
});
