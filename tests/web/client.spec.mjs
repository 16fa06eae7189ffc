// The client, the worker and their protocol, in a browser with a fake engine: order, aborts, crashes, the end.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, it } from "node:test";
import { fakeModel } from "./fake/model.mjs";
import { answerWithFakes } from "./fake/site.mjs";
import { launchChromium } from "./harness/browsers.mjs";
import { openSite } from "./harness/site.mjs";

describe("client and worker", { timeout: 120_000 }, () => {
  let site, browser, page;

  before(async () => {
    site = await openSite();
    answerWithFakes(site);
    browser = await launchChromium({ webgpu: false });
    page = await browser.open(`${site.url}test.html`);
    await page.evaluate(() => {
      window.load = (options) => Tenstep.load({ manifest: "/fake/manifest.json", ...options });
    });
  });
  beforeEach(() => answerWithFakes(site));
  after(async () => {
    await browser?.close();
    await site?.close();
  });

  it("loads with true byte counts, phase after phase", async () => {
    const progress = await page.evaluate(async () => {
      const seen = [];
      const tenstep = await load({ onProgress: (report) => seen.push(report) });
      await tenstep.dispose();
      return seen;
    });
    const phases = progress.map(({ phase }) => phase).filter((phase, at, all) => phase !== all[at - 1]);
    assert.deepEqual(phases, ["engine", "download", "compile"]);
    const download = progress.filter(({ phase }) => phase === "download");
    assert.deepEqual([download[0].loadedBytes, download.at(-1).loadedBytes], [0, 300_000]);
    assert.ok(progress.every(({ phase, totalBytes }) => phase === "engine" || totalBytes === 300_000));
  });

  it("fetches the module of the chosen backend only", async () => {
    site.requests.length = 0;
    await page.evaluate(async () => (await load()).dispose());
    const modules = site.requests.filter((path) => path.startsWith("/tenstep/wasm/"));
    assert.deepEqual(modules, ["/tenstep/wasm/tenstep_cpu.js"]);
  });

  it("takes overlapping calls in order, each with its own steps", async () => {
    const { order, seeds } = await page.evaluate(async () => {
      const tenstep = await load();
      const order = [];
      const one = (seed, steps) => tenstep.generate({ seed, steps, onStep: ({ step }) => order.push(`${seed}:${step}`) });
      const pictures = await Promise.all([one(1, 2), one(2, 3)]);
      await tenstep.dispose();
      return { order, seeds: pictures.map(({ seed }) => seed) };
    });
    assert.deepEqual(order, ["1:1", "1:2", "2:1", "2:2", "2:3"]);
    assert.deepEqual(seeds, [1, 2]);
  });

  it("gives runs that can be stepped, looked at early, mixed with generate, and disposed", async () => {
    const seen = await page.evaluate(async () => {
      const tenstep = await load();
      const run = await tenstep.start({ steps: 2, seed: 5 });
      const first = await run.step();
      const early = await run.image();
      await tenstep.generate({ steps: 1 });
      await run.step();
      const { image, timings } = await run.image();
      const facts = [run.seed, run.steps, run.solverSteps, run.stepsDone, run.done, first.step, first.preview.width, early.image.width, image.width, timings.steps.length];
      await run.dispose();
      await run.dispose();
      const late = await outcome(run.step());
      await tenstep.dispose();
      return { facts, late: late.error.code };
    });
    assert.deepEqual(seen, { facts: [5, 2, 2, 2, true, 1, 8, 64, 64, 2], late: "disposed" });
  });

  it("aborts before, while queued, during and after a call, and goes on", async () => {
    const seen = await page.evaluate(async () => {
      const tenstep = await load();
      const aborted = async (signal, options = {}) => (await outcome(tenstep.generate({ signal, ...options }))).error;
      const before = await aborted(AbortSignal.abort());
      const during = new AbortController();
      const steps = [];
      const whileRunning = aborted(during.signal, {
        steps: 1000,
        onStep: ({ step }) => {
          steps.push(step);
          if (step === 3) during.abort();
        },
      });
      const queued = new AbortController();
      const whileQueued = aborted(queued.signal);
      queued.abort();
      const after = new AbortController();
      const results = [before, await whileRunning, await whileQueued];
      const picture = await outcome(tenstep.generate({ signal: after.signal }));
      after.abort();
      const own = await outcome(tenstep.generate({ signal: AbortSignal.abort(new Error("my reason")) }));
      const next = await outcome(tenstep.generate());
      await tenstep.dispose();
      return { results, steps, ok: [Boolean(picture.value), Boolean(next.value)], own: own.error.message };
    });
    for (const error of seen.results) assert.deepEqual([error.name, error.isDomException], ["AbortError", true]);
    assert.deepEqual(seen.steps, [1, 2, 3], "no step is reported after the abort");
    assert.deepEqual(seen.ok, [true, true]);
    assert.equal(seen.own, "my reason");
  });

  it("stops computing an aborted picture", async () => {
    const millis = await page.evaluate(async () => {
      const tenstep = await load();
      const abort = new AbortController();
      await outcome(tenstep.generate({ steps: 1000, signal: abort.signal, onStep: () => abort.abort() }));
      const began = performance.now();
      await tenstep.generate({ steps: 1 });
      await tenstep.dispose();
      return performance.now() - began;
    });
    assert.ok(millis < 1000, `the next picture waited ${millis} ms for 1000 aborted steps of 2 ms`);
  });

  it("ends a picture whose callback throws, with what it threw", async () => {
    const seen = await page.evaluate(async () => {
      const tenstep = await load();
      const thrown = await outcome(tenstep.generate({ onStep: () => { throw new RangeError("mine"); } }));
      const next = await outcome(tenstep.generate());
      await tenstep.dispose();
      return [thrown.error.name, thrown.error.message, Boolean(next.value)];
    });
    assert.deepEqual(seen, ["RangeError", "mine", true]);
  });

  const LOSSES = { "trap": "engine-crashed", "trap in a callback": "engine-crashed", "trap in a promise": "engine-crashed", "device lost": "device-lost" };
  for (const [loss, code] of Object.entries(LOSSES)) {
    it(`goes on after "${loss}" from the last step, on a new engine, and reports it`, async () => {
      const seen = await page.evaluate(async (loss) => {
        const tenstep = await load();
        const undisturbed = facts(await tenstep.generate({ seed: 4, steps: 5 }));
        const steps = [], told = [];
        const options = { prompt: `fake: ${loss} once`, seed: 4, steps: 5, onStep: ({ step }) => steps.push(step), onInterruption: (interruption) => told.push(interruption) };
        const { interruptions, ...picture } = await tenstep.generate(options);
        await tenstep.dispose();
        return { steps, told, interruptions, isEqual: JSON.stringify(facts(picture).data) === JSON.stringify(undisturbed.data) };
      }, loss);
      assert.deepEqual(seen.steps, [1, 2, 3, 4, 5], "each step is reported once");
      assert.ok(seen.isEqual);
      assert.deepEqual(seen.interruptions, seen.told);
      assert.deepEqual(seen.told.map(({ code, step }) => [code, step]), [[code, 2]]);
    });

    it(`gives up a picture that ends with "${loss}" three times at one step; others go on`, async () => {
      const seen = await page.evaluate(async (prompt) => {
        const progress = [];
        const tenstep = await load({ onProgress: ({ phase }) => progress.push(phase) });
        const run = await tenstep.start({ steps: 3, seed: 2 });
        await run.step();
        const [failed, queued] = await Promise.all([outcome(tenstep.generate({ prompt })), outcome(tenstep.generate({ seed: 9 }))]);
        const later = await outcome(run.step());
        const next = await outcome(tenstep.generate());
        await tenstep.dispose();
        return { failed: failed.error, queued: queued.value?.seed, run: later.value?.step, losses: run.interruptions.length, next: Boolean(next.value), loads: progress.filter((phase) => phase === "engine").length };
      }, `fake: ${loss}`);
      assert.equal(seen.failed.code, code);
      assert.ok(seen.failed.isTenstepError);
      assert.equal(seen.loads, 4, "one load, and one after each loss");
      assert.deepEqual([seen.run, seen.next], [2, true]);
      if (loss !== "trap in a callback" && loss !== "trap in a promise") assert.equal(seen.queued, 9);
    });
  }

  it("gives up each call of a run that three engines are lost in, and counts anew in the next", async () => {
    const seen = await page.evaluate(async () => {
      const tenstep = await load();
      let told = 0;
      const onInterruption = () => {
        if (++told > 10) throw new Error("it goes on for ever");
      };
      const run = await tenstep.start({ prompt: "fake: trap", onInterruption });
      const ends = [await outcome(run.step()), await outcome(run.step()), await outcome(run.image())];
      await tenstep.dispose();
      return { ends: ends.map(({ value, error }) => error ? error.code ?? error.message : value.image.width), told };
    });
    // The last of three is told by the error.
    assert.deepEqual(seen, { ends: ["engine-crashed", "engine-crashed", 64], told: 4 });
  });

  it("goes on though each engine is lost after two steps", async () => {
    const seen = await page.evaluate(async () => {
      const tenstep = await load();
      const { interruptions } = await tenstep.generate({ prompt: "fake: device lost at each step", steps: 5 });
      const run = await tenstep.start({ prompt: "fake: device lost at each step", steps: 5 });
      while (!run.done) await run.step();
      await tenstep.dispose();
      return [interruptions.length, run.interruptions.length, run.stepsDone];
    });
    assert.ok(seen[0] >= 3 && seen[1] >= 3 && seen[2] === 5, String(seen));
  });

  describe("when a reload brings another revision", () => {
    beforeEach(async () => {
      await page.evaluate(async () => {
        window.tenstep = await load();
      });
    });
    afterEach(() => page.evaluate(() => tenstep.dispose()));
    const deployAnother = () => {
      for (const [file, bytes] of fakeModel({ revision: "other" })) site.answerBytes(`/fake/${file}`, bytes);
    };

    it("begins a picture anew, and reports each step once", async () => {
      const undisturbed = await page.evaluate(async () => facts(await tenstep.generate({ seed: 4, steps: 5 })).data);
      deployAnother();
      const seen = await page.evaluate(async () => {
        const steps = [];
        const picture = await tenstep.generate({ prompt: "fake: trap once", seed: 4, steps: 5, onStep: ({ step }) => steps.push(step) });
        return { data: facts(picture).data, steps, losses: picture.interruptions.map(({ step }) => step), revision: tenstep.model.revision };
      });
      assert.deepEqual(seen.data, undisturbed, "no step is the old model's");
      assert.deepEqual(seen.steps, [1, 2, 3, 4, 5]);
      assert.deepEqual(seen.losses, [2, 2], "the first trap, and that of the picture begun anew");
      assert.equal(seen.revision, "other");
    });

    it("refuses to go on with a run", async () => {
      await page.evaluate(async () => {
        window.run = await tenstep.start({ prompt: "fake: trap once", steps: 5 });
        await run.step();
        await run.step();
      });
      deployAnother();
      const seen = await page.evaluate(async () => {
        const ends = [await outcome(run.step()), await outcome(run.image()), await outcome(run.save()), await outcome(run.dispose())];
        const next = await tenstep.start();
        return { ends: ends.map(({ error }) => error?.code), message: ends[0].error?.message, next: (await next.save()).revision };
      });
      assert.deepEqual(seen.ends, ["disposed", "disposed", "disposed", undefined]);
      assert.match(seen.message, /revision 0, .* other/);
      assert.equal(seen.next, "other");
    });

    it("refuses to resume a run that another made", async () => {
      await page.evaluate(async () => {
        window.idle = await load({ beside: tenstep });
        const run = await tenstep.start();
        await run.step();
        window.saved = await run.save();
      });
      deployAnother();
      const seen = await page.evaluate(async () => {
        await tenstep.generate({ prompt: "fake: trap once" });
        // Lost with the other's engine, and not loaded anew before this.
        const known = idle.model.revision;
        const { error } = await outcome(idle.resume(saved));
        await idle.dispose();
        return [known, error?.code, error?.message];
      });
      assert.deepEqual(seen.slice(0, 2), ["0", "invalid-option"]);
      assert.match(seen[2], /that of revision other/);
    });
  });

  it("saves a run as plain data, and goes on with it in another worker", async () => {
    const seen = await page.evaluate(async () => {
      const first = await load();
      const run = await first.start({ prompt: "a", steps: 4, solverOptions: { eta: 1 } });
      await run.step();
      await run.step();
      const saved = structuredClone(await run.save());
      // What a caller does with its own is no matter to the run.
      (await run.save()).options.solverOptions.eta = 0;
      const { eta } = (await run.save()).options.solverOptions;
      await first.dispose();
      const second = await load();
      const resumed = await second.resume(saved);
      const facts = [resumed.seed === run.seed, resumed.stepsDone, resumed.steps, resumed.done, (await resumed.step()).step];
      const others = [{ ...saved, version: 2 }, { ...saved, revision: "x" }, { ...saved, state: null }, { ...saved, state: { ...saved.state, evaluations: 3 } }, { ...saved, options: { promt: "" } }, null];
      const codes = [];
      for (const other of others) codes.push((await outcome(second.resume(other))).error?.code);
      await second.dispose();
      return { eta, facts, codes };
    });
    assert.equal(seen.eta, 1);
    assert.deepEqual(seen.facts, [true, 2, 4, false, 3]);
    assert.deepEqual(seen.codes, Array(6).fill("invalid-option"));
  });

  it("lets a call wait for, replace or yield to those before it", async () => {
    const seen = await page.evaluate(async () => {
      const tenstep = await load();
      const long = outcome(tenstep.generate({ steps: 1000 }));
      const refused = (await outcome(tenstep.generate({ whenBusy: "reject" }))).error.code;
      const queued = outcome(tenstep.generate({ seed: 1, steps: 1 }));
      const replacing = outcome(tenstep.generate({ seed: 2, steps: 1, whenBusy: "replace" }));
      const ends = [(await long).error.name, (await queued).error.name, (await replacing).value.seed];
      const waiting = await Promise.all([tenstep.generate({ seed: 3, steps: 1 }), tenstep.generate({ seed: 4, steps: 1, whenBusy: "queue" })]);
      const free = (await tenstep.generate({ seed: 5, steps: 1, whenBusy: "reject" })).seed;
      const wrong = (await outcome(tenstep.generate({ whenBusy: "drop" }))).error.code;
      await tenstep.dispose();
      return [refused, ...ends, ...waiting.map(({ seed }) => seed), free, wrong];
    });
    assert.deepEqual(seen, ["busy", "AbortError", "AbortError", 2, 3, 4, 5, "invalid-option"]);
  });

  it("says so when the engine does not come back, and comes back later", async () => {
    await page.evaluate(async () => {
      window.tenstep = await load({ store: "none" });
    });
    site.answerStatus("/fake/shard-1.bin", 404);
    const failed = await page.evaluate(async () => (await outcome(tenstep.generate({ prompt: "fake: trap once" }))).error);
    assert.equal(failed.code, "fetch-failed");
    assert.match(failed.message, /did not come back after.*RuntimeError.*shard-1\.bin/);
    answerWithFakes(site);
    assert.ok(await page.evaluate(async () => Boolean((await outcome(tenstep.generate())).value)));
    await page.evaluate(() => tenstep.dispose());
  });

  it("refuses calls after dispose, and rejects those under way", async () => {
    const codes = await page.evaluate(async () => {
      const tenstep = await load();
      const underWay = outcome(tenstep.generate({ steps: 1000 }));
      await tenstep.dispose();
      await tenstep.dispose();
      const results = [await underWay, await outcome(tenstep.generate()), await outcome(tenstep.start())];
      return results.map(({ error }) => error.code);
    });
    assert.deepEqual(codes, ["disposed", "disposed", "disposed"]);
  });

  it("disposes a run at once, with what it is asked and behind another picture", { timeout: 30_000 }, async () => {
    const seen = await page.evaluate(async () => {
      const tenstep = await load();
      const run = await tenstep.start({ prompt: "fake: endless" });
      const waiting = await tenstep.start();
      const asked = [run.step(), run.image()].map(outcome);
      // Until the first of them is with the worker.
      await new Promise((resolve) => setTimeout(resolve));
      await run.dispose();
      const abort = new AbortController();
      const endless = outcome(tenstep.generate({ prompt: "fake: endless", signal: abort.signal }));
      asked.push(outcome(waiting.step()));
      await waiting.dispose();
      const codes = (await Promise.all(asked)).map(({ error }) => error?.code);
      abort.abort();
      await endless;
      const next = (await tenstep.generate({ seed: 3 })).seed;
      await tenstep.dispose();
      return { codes, next };
    });
    assert.deepEqual(seen, { codes: ["disposed", "disposed", "disposed"], next: 3 });
  });

  it("disposes a run though its engine ends meanwhile", async () => {
    const ends = await page.evaluate(async () => {
      const tenstep = await load();
      const runs = [await tenstep.start(), await tenstep.start()];
      const ends = [];
      const onStep = ({ step }) => step === 2 && ends.push(outcome(runs[0].dispose()));
      await tenstep.generate({ prompt: "fake: trap once", onStep });
      runs.push(await tenstep.start());
      ends.push(...[runs[2].dispose(), tenstep.dispose(), runs[1].dispose()].map(outcome));
      return (await Promise.all(ends)).map(({ error }) => error?.code);
    });
    assert.deepEqual(ends, Array(4).fill(undefined));
  });

  it("stops loading when aborted", async () => {
    site.answer("/fake/shard-2.bin", (_, response) => response.writeHead(200).write("x"));
    const error = await page.evaluate(async () => {
      const abort = new AbortController();
      const onProgress = ({ loadedBytes }) => loadedBytes > 0 && abort.abort();
      return (await outcome(load({ signal: abort.signal, onProgress }))).error;
    });
    assert.equal(error.name, "AbortError");
  });

  const wrongOptions = {
    "an unknown option": () => ({ promt: "a fox" }),
    "a function for a prompt": () => ({ prompt: () => "a fox" }),
    "an object for a seed": () => ({ seed: {} }),
    "null for steps": () => ({ steps: null }),
    "a bigint for a seed": () => ({ seed: 5n }),
    "a text for onStep": () => ({ onStep: "log" }),
    "no AbortSignal": () => ({ signal: new AbortController() }),
    "a text for all options": () => "a fox",
    "null for all options": () => null,
  };
  for (const [name, options] of Object.entries(wrongOptions)) {
    it(`refuses ${name}`, async () => {
      const error = await page.evaluate(async (source) => {
        const tenstep = await load();
        const { error } = await outcome(tenstep.generate(new Function(`return (${source})()`)()));
        await tenstep.generate();
        await tenstep.dispose();
        return error;
      }, options.toString());
      assert.equal(error.code, "invalid-option");
    });
  }

  const wrongLoads = {
    "no manifest": [{ manifest: undefined }, "invalid-option"],
    "an unknown backend": [{ backend: "cuda" }, "invalid-option"],
    "an unknown arithmetic": [{ arithmetic: "f64" }, "invalid-option"],
    "an unknown option": [{ wasm: "x" }, "invalid-option"],
    "an address that is none": [{ manifest: "http://[" }, "invalid-option"],
    "a manifest that is not there": [{ manifest: "/nowhere/manifest.json" }, "fetch-failed"],
    "a worker that is not there": [{ workerUrl: "/nowhere/worker.js" }, "engine-unavailable"],
  };
  for (const [name, [options, code]] of Object.entries(wrongLoads)) {
    it(`refuses to load with ${name}`, async () => {
      const error = await page.evaluate(async (options) => (await outcome(load(options))).error, options);
      assert.equal(error.code, code, error.message);
    });
  }

  it("says that the engine's files are missing", async () => {
    site.answerStatus("/tenstep/wasm/tenstep_cpu.js", 404);
    const error = await page.evaluate(async () => (await outcome(load())).error);
    assert.equal(error.code, "engine-unavailable");
  });
});
