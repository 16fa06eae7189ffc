// Runs inside the browser: the same evaluation on both modules, one thread each, in turn.

import init, { Unet } from "/tenstep/tenstep_bench_unet.js";
import * as ort from "/onnxruntime/ort.wasm.min.mjs";

/** Loads both networks, checks that they agree, and times them. Milliseconds, one pair an entry. */
window.compare = async ({ batch, size, tokens, channels, width, pairs }) => {
  const get = async (path) => (await fetch(path)).arrayBuffer();
  await init({ module_or_path: "/tenstep/tenstep_bench_unet_bg.wasm" });
  const config = new TextDecoder().decode(await get("/unet/config.json"));
  const unet = new Unet(config, new Uint8Array(await get("/unet/weights.safetensors")), batch, size, tokens);

  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = "/onnxruntime/";
  const session = await ort.InferenceSession.create(new Uint8Array(await get("/unet/model.onnx")), {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
  });

  const wave = (length) => Float32Array.from({ length }, (_, i) => Math.sin(0.37 * i));
  const sample = wave(batch * size * size * channels);
  const text = wave(batch * tokens * width);
  const timestep = 500;
  const feeds = {
    sample: new ort.Tensor("float32", channelsFirst(sample, batch, size * size, channels), [batch, channels, size, size]),
    timestep: new ort.Tensor("float32", new Float32Array(batch).fill(timestep), [batch]),
    encoder_hidden_states: new ort.Tensor("float32", text, [batch, tokens, width]),
  };
  const contenders = {
    tenstep: () => unet.evaluate(sample, timestep, text, batch),
    onnxruntime: async () => (await session.run(feeds)).model_output.data,
  };

  // Warm up: the browser compiles hot wasm a second time in the background.
  let [ours, theirs] = [];
  for (let i = 0; i < 10; i += 1) {
    ours = contenders.tenstep();
    theirs = await contenders.onnxruntime();
  }
  const difference = relativeDifference(channelsFirst(ours, batch, size * size, channels), theirs);

  const times = { tenstep: [], onnxruntime: [] };
  for (let pair = 0; pair < pairs; pair += 1) {
    const order = pair % 2 === 0 ? ["tenstep", "onnxruntime"] : ["onnxruntime", "tenstep"];
    for (const name of order) {
      const start = performance.now();
      await contenders[name]();
      times[name].push(performance.now() - start);
    }
  }
  return { difference, flops: unet.flops(), times };
};

/** [B, P, C] to [B, C, P]. */
function channelsFirst(values, batch, pixels, channels) {
  const out = new Float32Array(values.length);
  for (let b = 0; b < batch; b += 1)
    for (let p = 0; p < pixels; p += 1)
      for (let c = 0; c < channels; c += 1)
        out[(b * channels + c) * pixels + p] = values[(b * pixels + p) * channels + c];
  return out;
}

function relativeDifference(a, b) {
  let [difference, norm] = [0, 0];
  for (let i = 0; i < a.length; i += 1) {
    difference += (a[i] - b[i]) ** 2;
    norm += b[i] ** 2;
  }
  return Math.sqrt(difference / norm);
}
