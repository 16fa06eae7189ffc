// Runs inside the browser: the same evaluation on both sides, in turn, both warm. Milliseconds, one pair an entry.

import { burn } from "./burn.js";
import { countDeviceCalls } from "./count.js";
import { halves } from "./halves.js";
import { channelsFirst, inputsFor } from "./inputs.js";
import { onnxruntime } from "./onnxruntime.js";
import { tenstep } from "./tenstep.js";
import { weightsOf } from "./weights.js";

const PEERS = { "onnxruntime-web": onnxruntime, "burn-wgpu": burn };
/** Browsers compile hot wasm a second time in the background, and drivers their pipelines at first use. */
const LEAST_WARM_UP_ROUNDS = { cpu: 5, webgpu: 1 };
const MOST_WARM_UP_ROUNDS = 10;
/** The part of the time limit that warming up may take. */
const WARM_UP_PART = 0.2;

/**
 * Times `network` of networks.json on so many `threads` a side, beside the peer of that name, which loads `files`, or alone where it is
 * null. As many pairs as fit in `seconds`, within `leastPairs` and `mostPairs`.
 */
window.compare = async ({ network, spec, backend, threads, peer, files, seconds, leastPairs, mostPairs }) => {
  const weights = await weightsOf(network, spec);
  const inputs = inputsFor(spec, weights.config);
  const ours = await timed(() => (threads === 2 ? halves : tenstep)(backend, spec, weights, inputs));
  const theirs = peer && (await timed(() => PEERS[peer]({ backend, threads, files, spec, weights, inputs })));
  const sides = { ours: ours.value, ...(theirs && { theirs: theirs.value }) };

  const warmUpEnd = performance.now() + 1000 * seconds * WARM_UP_PART;
  const outputs = {};
  const isCold = (round) => round < LEAST_WARM_UP_ROUNDS[backend] || (round < MOST_WARM_UP_ROUNDS && performance.now() < warmUpEnd);
  for (let round = 0; isCold(round); round += 1)
    for (const [side, { evaluate }] of Object.entries(sides)) outputs[side] = (await evaluate()).values;

  const times = { ours: [], theirs: [], busy: [] };
  const processorMillis = { ours: 0, theirs: 0 };
  const end = performance.now() + 1000 * seconds;
  for (let pair = 0; pair < leastPairs || (pair < mostPairs && performance.now() < end); pair += 1) {
    const order = Object.keys(sides);
    for (const side of pair % 2 === 0 ? order : order.reverse()) {
      const before = await window.processorMillis();
      const { value, millis } = await timed(sides[side].evaluate);
      processorMillis[side] += (await window.processorMillis()) - before;
      times[side].push(millis);
      outputs[side] = value.values;
      if (value.busy !== undefined) times.busy.push(value.busy);
    }
  }
  const calls = {};
  if (backend === "webgpu") for (const [side, { evaluate }] of Object.entries(sides)) calls[side] = await countDeviceCalls(evaluate);
  const difference = theirs && relativeDifference(layout(outputs.ours, peer, spec, weights.config), outputs.theirs);
  return { times, processorMillis, difference, flops: ours.value.flops, arithmetic: ours.value.arithmetic, calls, mode: theirs?.value.mode, setUp: { ours: ours.millis, theirs: theirs?.millis } };
};

async function timed(work) {
  const start = performance.now();
  const value = await work();
  return { value, millis: performance.now() - start };
}

/** Our output as the peer lays it out: onnxruntime's pictures are channels first, as the exported networks are. */
function layout(values, name, { component, batch }, config) {
  return name === "burn-wgpu" || component === "text_encoder" ? values : channelsFirst(values, batch, config.out_channels);
}

/** Of the norms. */
function relativeDifference(a, b) {
  let [difference, norm] = [0, 0];
  for (let i = 0; i < b.length; i += 1) {
    difference += (a[i] - b[i]) ** 2;
    norm += b[i] ** 2;
  }
  return Math.sqrt(difference / norm);
}
