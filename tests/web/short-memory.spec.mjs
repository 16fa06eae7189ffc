// A GPU that is short of memory: what does not fit is done in smaller pieces, and the picture says so.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { dist, root } from "../../scripts/paths.mjs";
import { launchChromium } from "./harness/browsers.mjs";
import { MANIFEST_PATH, readManifest, readShard } from "./harness/default-model.mjs";
import { openSite } from "./harness/site.mjs";

const { components, defaults } = readManifest();
const { out_channels: CHANNELS, block_out_channels: levels } = components.find(({ name }) => name === "vae_decoder").config;
/** Pixels along a side of the smallest tile, of 8 latents. */
const TILE = 8 * 2 ** (levels.length - 1);
const BYTES_OF_F32 = 4;
/** What the plans take, as tests/counted_work.rs keeps it; the browser's adapter is software. */
const counted = JSON.parse(readFileSync(join(root, "tests", "goldens", "counted_work.json"), "utf8"));
const matrixAsF16 = components.flatMap(({ tensors }) => tensors).find(({ dtype, shape }) => dtype === "f16" && shape.length === 2);
/** In the order in which they are asked for, so many at a time. */
const shards = components.filter(({ lazy }) => !lazy).flatMap(({ shards }) => shards);
const AT_A_TIME = 4;
/** Those under way while the first is. */
const HALVED = shards.slice(1, AT_A_TIME);
const half = ({ bytes }) => Math.floor(bytes / 2);

/**
 * Has the worker's GPU refuse buffers: the complaint that there is no memory, then a buffer that is invalid, with all that
 * the browser has to say of its use. `refuses` is the text of a function of the buffer's descriptor.
 */
const shortOf = (refuses) => `
  const refuses = ${refuses};
  const { createBuffer } = GPUDevice.prototype;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    if (!refuses(descriptor)) return createBuffer.call(this, descriptor);
    const error = new GPUOutOfMemoryError("a test wanted it so");
    this.dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", { error }));
    return createBuffer.call(this, { ...descriptor, size: 2 ** 50 });
  };
`;
/**
 * With a buffer that is refused: the device's next answer overtakes all complaints about that buffer but the first, as it does now and
 * then in Chromium.
 */
const OVERTAKEN = `
  const overtaken = [];
  let isOvertaking = false;
  const { createBuffer: createOrRefuse, popErrorScope } = GPUDevice.prototype;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    isOvertaking ||= refuses(descriptor);
    return createOrRefuse.call(this, descriptor);
  };
  GPUDevice.prototype.addEventListener = function (type, listener) {
    EventTarget.prototype.addEventListener.call(this, type, (event) => {
      if (isOvertaking && !(event.error instanceof GPUOutOfMemoryError)) overtaken.push(() => listener(event));
      else listener(event);
    });
  };
  GPUDevice.prototype.popErrorScope = async function () {
    const answer = await popErrorScope.call(this);
    if (isOvertaking) void complainLater();
    return answer;
  };
  // Before anything else comes from the device, but after whoever waits for the answer.
  async function complainLater() {
    for (let turn = 0; turn < 100; turn++) await undefined;
    isOvertaking = false;
    for (const complain of overtaken.splice(0)) complain();
  }
`;
/** What the plans of both halves of guidance and of the whole picture need, less a tenth: enough for one half, and for a tile. */
const ENOUGH_FOR_PARTS = 0.9 * Math.min(counted.unetGuidedInSoftware.arenaBytes, counted.decoderInSoftware.arenaBytes);
const SMALL_ARENA = `({ label, size }) => label === "arena" && size > ${ENOUGH_FOR_PARTS}`;
/** The way of the whole picture to the host, in f32, but not that of a tile or a preview. */
const SMALL_STAGING = `({ label, size }) => label === "staging" && size >= ${0.9 * BYTES_OF_F32 * CHANNELS * defaults.width * defaults.height}`;
/** The third buffer of a weight, after its numbers and scales: the form that kernels want. What that is made from is given back. */
const NO_FORMS = `(() => {
  const made = {};
  return ({ label }) => label.startsWith("up_blocks") && (made[label] = (made[label] ?? 0) + 1) > 2;
})()`;

/** A matrix as the model stores it, as f16, but not as int8. */
const NO_F16 = `({ label, size }) => label === "${matrixAsF16.name}" && size >= ${2 * matrixAsF16.shape[0] * matrixAsF16.shape[1]}`;

/** Has `refuses` decide only once the page has said that memory is short. */
const later = (refuses) => `(() => {
  let isShort = false;
  const memory = new BroadcastChannel("memory");
  memory.onmessage = () => {
    isShort = true;
    memory.postMessage("for buffers");
  };
  const refuses = ${refuses};
  return (descriptor) => isShort && refuses(descriptor);
})()`;
/** Refuses no buffer: from then on the first work that is submitted is lost, and the complaint comes when it would have ended. */
const LOST_WORK = `(() => {
  let isShort = false;
  const memory = new BroadcastChannel("memory");
  memory.onmessage = () => {
    isShort = true;
    memory.postMessage("for work");
  };
  let device;
  const { requestDevice } = GPUAdapter.prototype;
  GPUAdapter.prototype.requestDevice = async function (descriptor) {
    return (device = await requestDevice.call(this, descriptor));
  };
  const { submit } = GPUQueue.prototype;
  GPUQueue.prototype.submit = function (work) {
    if (!isShort || work.length === 0) return submit.call(this, work);
    isShort = false;
    const error = new GPUOutOfMemoryError("a test wanted it so");
    void this.onSubmittedWorkDone().then(() => device.dispatchEvent(new GPUUncapturedErrorEvent("uncapturederror", { error })));
  };
  return () => false;
})()`;

const ROUNDED = /^Memory is short: the model's weights are rounded to 8 bits/;
const IN_TURNS = /^Memory is short: the network is evaluated once with the prompt and once without/;
const IN_TILES = new RegExp(`^Memory is short: the picture is decoded in overlapping tiles of ${TILE} x ${TILE} pixels`);

describe("a GPU that is short of memory", { timeout: 600_000 }, () => {
  let site, browser;
  before(async () => {
    site = await openSite();
    browser = await launchChromium({ webgpu: true });
  });
  after(async () => {
    await browser?.close();
    await site?.close();
  });

  async function onGpu(refuses, work, { answers = () => undefined, complaints = "" } = {}) {
    const worker = readFileSync(join(dist, "tenstep", "worker.js"), "utf8");
    site.reset();
    answers();
    site.answerBytes("/tenstep/worker.js", Buffer.from(worker + (refuses ? shortOf(refuses) : "") + complaints), "text/javascript");
    const page = await browser.open(`${site.url}test.html`);
    try {
      return await page.evaluate(work, MANIFEST_PATH);
    } finally {
      await page.close();
    }
  }

  const draw = async (manifest) => {
    const tenstep = await Tenstep.load({ manifest, backend: "webgpu" });
    return facts(await tenstep.generate({ prompt: "a red apple", seed: 7, steps: 2 }));
  };
  let undisturbed;
  before(async () => (undisturbed = await onGpu(null, draw)));

  function assertNear(picture, what) {
    assert.ok(picture.deviation > 10, `${what} is a picture`);
    const [colours, expected] = [onWhite(picture), onWhite(undisturbed)];
    const difference = colours.reduce((sum, colour, at) => sum + Math.abs(colour - expected[at]), 0) / colours.length;
    assert.ok(difference < 8, `${what} differs by ${difference} of 255`);
  }

  it("evaluates the halves of guidance in turns and decodes in tiles, and says both", async () => {
    const picture = await onGpu(SMALL_ARENA, draw);
    assert.deepEqual(undisturbed.warnings, []);
    assert.equal(picture.warnings.length, 2, picture.warnings.join());
    assert.match(picture.warnings[0], IN_TURNS);
    assert.match(picture.warnings[1], IN_TILES);
    assertNear(picture, "the picture in tiles");
  });

  it("decodes in tiles where memory runs out while it decodes; what comes after is undisturbed", async () => {
    const { before, first, second } = await onGpu(SMALL_STAGING, async (manifest) => {
      const tenstep = await Tenstep.load({ manifest, backend: "webgpu" });
      const run = await tenstep.start({ prompt: "a red apple", seed: 7, steps: 2 });
      while (!run.done) await run.step();
      const before = run.warnings;
      const { image, timings } = await run.image();
      const first = facts({ image, timings, warnings: run.warnings });
      const second = facts(await tenstep.generate({ prompt: "a red apple", seed: 7, steps: 2 }));
      return { before, first, second };
    });
    assert.deepEqual(before, []);
    assert.equal(first.warnings.length, 1, first.warnings.join());
    assert.match(first.warnings[0], IN_TILES);
    assertNear(first, "the picture in tiles");
    assert.deepEqual(second.data, first.data);
    assert.deepEqual(second.warnings, first.warnings);
  });

  /** A run whose memory is short from its second step on, and from there another, which knows it. */
  const drawShort = async (manifest) => {
    const tenstep = await Tenstep.load({ manifest, backend: "webgpu" });
    const run = await tenstep.start({ prompt: "a red apple", seed: 7, steps: 3, solver: "dpmpp-2m-sde" });
    await run.step();
    const saved = await run.save();
    const memory = new BroadcastChannel("memory");
    const short = await new Promise((resolve) => {
      memory.onmessage = ({ data }) => resolve(data);
      memory.postMessage("short");
    });
    const { defaultWidth, defaultHeight } = tenstep.model;
    // What all share would have to grow for a larger picture. There is no room, and it has to be made anew.
    if (short === "for buffers") await tenstep.start({ width: 2 * defaultWidth, height: 2 * defaultHeight });
    const steps = [];
    while (!run.done) steps.push((await run.step()).step);
    const resumed = await tenstep.resume(saved);
    const known = resumed.warnings;
    while (!resumed.done) await resumed.step();
    const [latents, expected] = await Promise.all([run.latents(), resumed.latents()]);
    const picture = facts({ ...(await run.image()), warnings: run.warnings });
    return { steps, picture, known, isEqual: latents.every((value, at) => value === expected[at]) };
  };

  it("goes on with the halves in turns where memory runs out in the midst of a run", async () => {
    const { steps, picture, known, isEqual } = await onGpu(later(SMALL_ARENA), drawShort);
    assert.deepEqual(steps, [2, 3]);
    assert.equal(picture.warnings.length, 2, picture.warnings.join());
    assert.match(picture.warnings[0], IN_TURNS);
    assert.match(picture.warnings[1], IN_TILES);
    assert.match(known[0], IN_TURNS);
    assert.ok(picture.deviation > 10, "it is a picture");
    assert.ok(isEqual, "the run is one that went on in turns from there");
  });

  it("does a step again whose work was lost", async () => {
    const { steps, picture, known, isEqual } = await onGpu(LOST_WORK, drawShort);
    assert.deepEqual(steps, [2, 3]);
    assert.equal(picture.warnings.length, 1, picture.warnings.join());
    assert.match(picture.warnings[0], IN_TURNS);
    assert.match(known[0], IN_TURNS);
    assert.ok(isEqual, "the run is one that went on in turns from there");
  });

  it("rounds weights to int8 that there is no room for as they are stored, and goes on from what the first try has fetched", async () => {
    const load = async (manifest) => {
      await storage.clear();
      const onProgress = ({ loadedBytes }) => void fetch(`/loaded/${loadedBytes}`);
      const tenstep = await Tenstep.load({ manifest, backend: "webgpu", onProgress });
      return { ...facts(await tenstep.generate({ prompt: "a red apple", seed: 7, steps: 2 })), isRounded: tenstep.model.rounded };
    };
    let asked;
    const picture = await onGpu(NO_F16, load, { answers: () => (asked = answerInHalves()), complaints: OVERTAKEN });
    assert.equal(picture.isRounded, true);
    assert.equal(picture.warnings.length, 1, picture.warnings.join());
    assert.match(picture.warnings[0], ROUNDED);
    assertNear(picture, "the picture of rounded weights");
    const expected = shards.map((shard) => (HALVED.includes(shard) ? [0, half(shard)] : [0]));
    assert.deepEqual([...asked.values()], expected, "the bytes that each shard is asked from");
  });

  /**
   * The first try gets half of each shard that it asks for, but all of the first shard once those halves are there: they have not yet
   * been pushed when that one is, and the shortage comes to light. Gives from which bytes on each shard is asked for.
   */
  function answerInHalves() {
    const asked = new Map(shards.map((shard) => [shard, []]));
    const halves = HALVED.reduce((sum, shard) => sum + half(shard), 0);
    const areThere = new Promise((resolve) => site.answer(`/loaded/${halves}`, (_, response) => resolve(response.end())));
    for (const shard of shards) {
      const { file, bytes } = shard;
      site.answer(`/models/default/${file}`, async ({ headers }, response) => {
        const from = Number(/^bytes=(\d+)-$/.exec(headers.range ?? "bytes=0-")[1]);
        asked.get(shard).push(from);
        if (shard === shards[0]) await areThere;
        response.writeHead(from > 0 ? 206 : 200, { "content-length": bytes - from, ...(from > 0 && { "content-range": `bytes ${from}-${bytes - 1}/${bytes}` }) });
        if (HALVED.includes(shard) && from === 0) response.write(readShard(file).subarray(0, half(shard)));
        else response.end(readShard(file).subarray(from));
      });
    }
    return asked;
  }

  it("without room for the weights says so", async () => {
    const { error } = await onGpu(NO_FORMS, async (manifest) => outcome(Tenstep.load({ manifest, backend: "webgpu" })));
    assert.equal(error?.code, "out-of-memory", JSON.stringify(error));
  });
});

/** Red, green and blue of each pixel on white: of a transparent one, nothing else shows. */
function onWhite({ data }) {
  const colours = [];
  for (let at = 0; at < data.length; at += 4) {
    const opacity = data[at + 3] / 255;
    for (let channel = 0; channel < 3; channel++) colours.push(opacity * data[at + channel] + 255 * (1 - opacity));
  }
  return colours;
}
