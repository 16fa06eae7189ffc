import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { threadsFor } from "../../../target/lib/choose-backend.js";
import { planFromLoadOptions } from "../../../target/lib/check-options.js";
import { Partner } from "../../../target/lib/partner.js";

describe("the option threads", () => {
  it("is 1, 2 or left to Tenstep", () => {
    for (const threads of [1, 2, undefined]) assert.equal(planFromLoadOptions({ manifest: "http://a.example/m.json", threads }).threads, threads);
  });

  for (const threads of [0, 3, 1.5, "2", null, true, [2]]) {
    it(`is not ${JSON.stringify(threads)}`, () => {
      const refused = { name: "TenstepError", code: "invalid-option", message: /^threads must be 1 or 2, not / };
      assert.throws(() => planFromLoadOptions({ manifest: "http://a.example/m.json", threads }), refused);
    });
  }
});

describe("threadsFor", () => {
  const navigator = Object.getOwnPropertyDescriptor(globalThis, "navigator");
  afterEach(() => (navigator ? Object.defineProperty(globalThis, "navigator", navigator) : delete globalThis.navigator));
  const processors = (hardwareConcurrency) => Object.defineProperty(globalThis, "navigator", { value: { hardwareConcurrency }, configurable: true });

  it("takes two on the CPU where there are processors for them, and as many as it is told", () => {
    processors(1);
    assert.deepEqual([threadsFor("cpu", undefined), threadsFor("cpu", 2)], [1, 2]);
    processors(undefined);
    assert.equal(threadsFor("cpu", undefined), 1);
    processors(8);
    assert.deepEqual([threadsFor("cpu", undefined), threadsFor("cpu", 1), threadsFor("webgpu", 2)], [2, 1, 1]);
  });
});

describe("a partner", () => {
  const HALF = () => [new Float32Array(4), 1, new Float32Array(2), 32, 32];
  const original = globalThis.MessageChannel;
  let host;
  let port;
  let said;
  afterEach(() => (globalThis.MessageChannel = original));

  /** A partner whose port only writes down what it is told, its host, and the engine's side of it. */
  async function joined() {
    const threads = [];
    said = [];
    port = { postMessage: (message) => said.push(message), close: () => undefined };
    globalThis.MessageChannel = class {
      port1 = port;
    };
    host = {
      isEnded: false,
      start: (_, onLost) => (host.lose = onLost),
      end: () => (host.isEnded = true),
      onThreads: (count) => threads.push(count),
    };
    const partner = new Partner({}, "{}", host);
    const engine = { pair: (model, evaluate) => Object.assign(engine, { model, evaluate }) };
    partner.take({ shard: 3, component: "unet" }, new Uint8Array([1, 2]));
    partner.take({ shard: 4, component: "vae_decoder" }, new Uint8Array([3]));
    partner.join(engine, 5);
    return { partner, engine, threads };
  }
  const answer = (data) => port.onmessage({ data });
  const ready = async () => {
    answer({ type: "ready" });
    await new Promise((resolve) => setImmediate(resolve));
  };

  it("gets the UNet's shards, and joins once it is ready", async () => {
    const { engine, threads } = await joined();
    assert.deepEqual(said.map(({ type, shard }) => [type, shard]), [["shard", 3], ["finish", undefined]]);
    assert.deepEqual([engine.model, threads], [undefined, []]);
    await ready();
    assert.deepEqual([engine.model, threads], [5, [2]]);
  });

  it("answers the question in hand, and no other", async () => {
    const { partner, engine } = await joined();
    await ready();
    const first = engine.evaluate(...HALF());
    partner.stop();
    const second = engine.evaluate(...HALF())();
    const [one, other] = said.filter(({ type }) => type === "evaluate").map(({ id }) => id);
    answer({ type: "failed", id: one, error: { name: "Error", message: "stopped" } });
    answer({ type: "evaluated", id: one, modelOutput: new Float32Array([1]) });
    answer({ type: "evaluated", id: other, modelOutput: new Float32Array([2]) });
    assert.deepEqual(await second, new Float32Array([2]));
    await assert.rejects(first(), /stopped/);
    assert.equal(host.isEnded, false);
  });

  it("is told to stop what nobody waits for when the next question comes", async () => {
    const { engine } = await joined();
    await ready();
    engine.evaluate(...HALF());
    engine.evaluate(...HALF());
    assert.deepEqual(said.slice(2).map(({ type }) => type), ["evaluate", "stop", "evaluate"]);
  });

  const ends = {
    "an evaluation fails": () => answer({ type: "failed", id: 1, error: { name: "Error", message: "no" } }),
    "its engine fails": () => answer({ type: "failed", id: 0, error: { name: "Error", message: "no" } }),
    "its host has lost it": () => host.lose(),
    "a message cannot be read": () => port.onmessageerror(),
  };
  for (const [name, end] of Object.entries(ends)) {
    it(`is ended when ${name}, and what waits is rejected`, async () => {
      const { engine, threads } = await joined();
      await ready();
      const half = assert.rejects(engine.evaluate(...HALF())(), /gone/);
      end();
      await half;
      await assert.rejects(engine.evaluate(...HALF())(), /gone/);
      assert.deepEqual([host.isEnded, threads], [true, [2, 1]]);
    });
  }

  it("that fails before it is ready never joins", async () => {
    const { engine, threads } = await joined();
    host.lose();
    await ready();
    assert.deepEqual([engine.model, threads, host.isEnded], [undefined, [], true]);
  });

  it("has ten seconds, and four times what the other half took", async (context) => {
    const { engine } = await joined();
    await ready();
    context.mock.timers.enable({ apis: ["setTimeout"] });
    const half = engine.evaluate(...HALF())();
    context.mock.timers.tick(9_900);
    assert.equal(host.isEnded, false);
    context.mock.timers.tick(1_000);
    await assert.rejects(half, /gone/);
    assert.equal(host.isEnded, true);
  });

  it("is not hurried before the other half is done", async (context) => {
    const { engine } = await joined();
    await ready();
    context.mock.timers.enable({ apis: ["setTimeout"] });
    const wait = engine.evaluate(...HALF());
    context.mock.timers.tick(60_000);
    answer({ type: "evaluated", id: 1, modelOutput: new Float32Array([4]) });
    assert.deepEqual(await wait(), new Float32Array([4]));
  });
});
