// How fast an adapter multiplies and adds, and how long it takes to answer at all. The device lives only for this.

import { untilAborted } from "../until-aborted.js";
import type { Speed } from "./report.js";

/** A run this long is not spoilt by the clock or the way to the GPU process; three of them and the way there take about 50 ms. */
const ENOUGH_MILLIS = 10;
/** What a busy or broken GPU may take before it counts as not measurable. */
const PATIENCE_MILLIS = 10_000;

/** GPUBufferUsage. */
const [COPY_DST, STORAGE] = [0x8, 0x80];

const WORKGROUP = 64;
/** Enough for large GPUs, since each invocation has much to do at a time; few, because starting one takes software adapters long. */
const WORKGROUPS = 256;
const VECTORS = 8;
/** Of one turn of the loop in all invocations: a fused multiply-add of four lanes for each vector. */
const FLOPS_PER_TURN = WORKGROUP * WORKGROUPS * VECTORS * 4 * 2;
const FEWEST_TURNS = 16;
const MOST_TURNS = 1 << 20;

const vectors = (write: (vector: number) => string) => Array.from({ length: VECTORS }, (_, vector) => write(vector));

/** x becomes x / 2 + 1, which stays near 2; the sum keeps compilers from leaving the loop out. */
const SHADER = `
@group(0) @binding(0) var<storage, read_write> turns_then_unused: array<u32>;
@compute @workgroup_size(${WORKGROUP})
fn main(@builtin(global_invocation_id) id: vec3u) {
  let turns = turns_then_unused[0];
  ${vectors((v) => `var x${v} = vec4f(f32(id.x + ${v}u));`).join("\n  ")}
  for (var turn = 0u; turn < turns; turn++) {
    ${vectors((v) => `x${v} = fma(x${v}, vec4f(0.5), vec4f(1.0));`).join("\n    ")}
  }
  let sum = ${vectors((v) => `x${v}`).join(" + ")};
  if (sum.x + sum.y + sum.z + sum.w < 0.0) { turns_then_unused[1] = id.x; }
}`;

export async function measureGpu(adapter: GPUAdapter, signal: AbortSignal | undefined): Promise<Speed> {
  const patience = AbortSignal.timeout(PATIENCE_MILLIS);
  const stop = signal ? AbortSignal.any([signal, patience]) : patience;
  const requested = adapter.requestDevice();
  try {
    return await untilAborted(requested.then((device) => measureOn(device, stop)), stop);
  } catch (error) {
    throw error === patience.reason ? new Error(`the GPU took more than ${PATIENCE_MILLIS / 1000} s`) : error;
  } finally {
    // Also where it comes after everybody has stopped waiting.
    void requested.then((device) => device.destroy()).catch(() => undefined);
  }
}

async function measureOn(device: GPUDevice, stop: AbortSignal): Promise<Speed> {
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code: SHADER });
  const pipeline = await device.createComputePipelineAsync({ layout: "auto", compute: { module, entryPoint: "main" } });
  const buffer = device.createBuffer({ size: 8, usage: STORAGE | COPY_DST });
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource: { buffer } }] });
  const run = async (turns: number) => {
    stop.throwIfAborted();
    device.queue.writeBuffer(buffer, 0, new Uint32Array([turns, 0]));
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(turns === 0 ? 1 : WORKGROUPS);
    pass.end();
    const began = performance.now();
    device.queue.submit([encoder.finish()]);
    await device.queue.onSubmittedWorkDone();
    return performance.now() - began;
  };

  /** Others use the GPU and the way to it: the fastest of a few counts. */
  const fastest = async (turns: number) => Math.min(await run(turns), await run(turns), await run(turns));

  await run(1); // The first of all is slower than any other.
  const latencyMillis = await fastest(0);
  let turns = FEWEST_TURNS;
  let millis = await fastest(turns);
  while (millis < ENOUGH_MILLIS && turns < MOST_TURNS) {
    turns = Math.min(MOST_TURNS, Math.ceil(turns * Math.min(8, (1.2 * ENOUGH_MILLIS) / Math.max(millis, 0.1))));
    millis = await fastest(turns);
  }
  const gflops = (turns * FLOPS_PER_TURN) / (Math.max(millis - latencyMillis, 0.1) * 1e6);
  const fault = await device.popErrorScope();
  if (fault) throw new Error(fault.message);
  return { gflops, latencyMillis };
}
