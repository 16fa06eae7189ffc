// A peer: the same network, exported to ONNX, on onnxruntime-web.

/** `{ evaluate(), mode }`; mode says how it runs. Pictures come out channels first. */
export async function onnxruntime({ backend, threads, files, inputs }) {
  const ort = await import(`/onnxruntime/ort.${backend === "webgpu" ? "webgpu" : "wasm"}.min.mjs`);
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = "/onnxruntime/";
  const [model, ...parts] = files.map((path) => ({ path, data: `/exported/${path}` }));
  const create = (options) => ort.InferenceSession.create(model.data, { ...options, graphOptimizationLevel: "all", externalData: parts });
  return backend === "webgpu" ? onWebgpu(ort, create, inputs) : onWasm(ort, create, inputs);
}

async function onWasm(ort, create, inputs) {
  const session = await create({ executionProviders: ["wasm"] });
  const feeds = onHost(ort, inputs);
  const [output] = session.outputNames;
  return { evaluate: async () => ({ values: (await session.run(feeds))[output].data }), mode: `${ort.env.wasm.numThreads} thread(s)` };
}

async function onWebgpu(ort, create, inputs) {
  try {
    return await captured(ort, create, inputs);
  } catch (error) {
    console.info(`onnxruntime-web captures no graph of this network: ${error.message}`);
    return plain(ort, create, inputs);
  }
}

async function plain(ort, create, inputs) {
  const session = await create({ executionProviders: ["webgpu"] });
  const feeds = onHost(ort, inputs);
  const [output] = session.outputNames;
  return { evaluate: async () => ({ values: (await session.run(feeds))[output].data }), mode: "plain" };
}

/** Recorded once and replayed, which needs every input and output in buffers that stay. */
async function captured(ort, create, inputs) {
  const session = await create({ executionProviders: ["webgpu"], enableGraphCapture: true, preferredOutputLocation: "gpu-buffer" });
  const [output] = session.outputNames;
  const { queue, ...make } = gpu(await ort.env.webgpu.device);
  const feeds = {};
  const uploads = inputs.map(({ name, theirs: { type, values, dims } }) => {
    const buffer = make.buffer(values.byteLength, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST);
    feeds[name] = ort.Tensor.fromGpuBuffer(buffer, { dataType: type, dims });
    return () => queue.writeBuffer(buffer, 0, values);
  });
  const { shape } = session.outputMetadata[0];
  const bytes = 4 * shape.reduce((product, extent) => product * extent, 1);
  const result = make.buffer(bytes, GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC);
  const staging = make.buffer(bytes, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  const fetches = { [output]: ort.Tensor.fromGpuBuffer(result, { dataType: "float32", dims: shape }) };
  const evaluate = async () => {
    for (const upload of uploads) upload();
    await session.run(feeds, fetches);
    make.copy(result, staging, bytes);
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
