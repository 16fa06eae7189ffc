// A peer: the same network, exported to ONNX, on onnxruntime-web.

/** `{ evaluate(), mode }`; mode says how it runs. Pictures come out channels first. */
export async function onnxruntime({ backend, threads, network, inputs }) {
  const ort = await import(`/onnxruntime/ort.${backend === "webgpu" ? "webgpu" : "wasm"}.min.mjs`);
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = "/onnxruntime/";
  const model = new Uint8Array(await (await fetch(`/exported/${network}.onnx`)).arrayBuffer());
  return backend === "webgpu" ? onWebgpu(ort, model, inputs) : onWasm(ort, model, inputs);
}

async function onWasm(ort, model, inputs) {
  const session = await ort.InferenceSession.create(model, { executionProviders: ["wasm"], graphOptimizationLevel: "all" });
  const feeds = onHost(ort, inputs);
  const [output] = session.outputNames;
  return { evaluate: async () => ({ values: (await session.run(feeds))[output].data }), mode: `${ort.env.wasm.numThreads} thread(s)` };
}

async function onWebgpu(ort, model, inputs) {
  try {
    return await captured(ort, model, inputs);
  } catch (error) {
    console.info(`onnxruntime-web captures no graph of this network: ${error.message}`);
    return plain(ort, model, inputs);
  }
}

async function plain(ort, model, inputs) {
  const session = await ort.InferenceSession.create(model, { executionProviders: ["webgpu"], graphOptimizationLevel: "all" });
  const feeds = onHost(ort, inputs);
  const [output] = session.outputNames;
  return { evaluate: async () => ({ values: (await session.run(feeds))[output].data }), mode: "plain" };
}

/** Recorded once and replayed, which needs every input and output in buffers that stay. */
async function captured(ort, model, inputs) {
  const session = await ort.InferenceSession.create(model, {
    executionProviders: ["webgpu"],
    graphOptimizationLevel: "all",
    enableGraphCapture: true,
    preferredOutputLocation: "gpu-buffer",
  });
  const [output] = session.outputNames;
  const { queue, ...create } = gpu(await ort.env.webgpu.device);
  const feeds = {};
  const uploads = inputs.map(({ name, theirs: { type, values, dims } }) => {
    const buffer = create.buffer(values.byteLength, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST);
    feeds[name] = ort.Tensor.fromGpuBuffer(buffer, { dataType: type, dims });
    return () => queue.writeBuffer(buffer, 0, values);
  });
  const { shape } = session.outputMetadata[0];
  const bytes = 4 * shape.reduce((product, extent) => product * extent, 1);
  const result = create.buffer(bytes, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  const staging = create.buffer(bytes, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  const fetches = { [output]: ort.Tensor.fromGpuBuffer(result, { dataType: "float32", dims: shape }) };
  const evaluate = async () => {
    for (const upload of uploads) upload();
    await session.run(feeds, fetches);
    create.copy(result, staging, bytes);
    await staging.mapAsync(GPUMapMode.READ);
    const values = new Float32Array(staging.getMappedRange()).slice();
    staging.unmap();
    return { values };
  };
  // The first records, the second replays.
  await evaluate();
  await evaluate();
  return { evaluate, mode: "graph capture" };
}

function gpu(device) {
  return {
    queue: device.queue,
    // onnxruntime's shaders bind vectors of four.
    buffer: (bytes, usage) => device.createBuffer({ size: Math.ceil(bytes / 16) * 16, usage }),
    copy: (from, to, bytes) => {
      const encoder = device.createCommandEncoder();
      encoder.copyBufferToBuffer(from, 0, to, 0, bytes);
      device.queue.submit([encoder.finish()]);
    },
  };
}

function onHost(ort, inputs) {
  return Object.fromEntries(inputs.map(({ name, theirs: { type, values, dims } }) => [name, new ort.Tensor(type, values, dims)]));
}
