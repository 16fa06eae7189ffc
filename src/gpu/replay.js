// Dispatches as lists that stay in JavaScript: wasm then crosses over once a submission instead of three times a dispatch.

/** What stands in for `createCommandEncoder` while dispatches are put into `list`: pipeline, bind group and workgroups of each. */
export function recorder(list) {
  let pipeline, group;
  const pass = {
    setPipeline: (next) => (pipeline = next),
    setBindGroup: (_, next) => (group = next),
    dispatchWorkgroups: (...workgroups) => list.push([pipeline, group, workgroups]),
    end: () => undefined,
  };
  return () => ({ beginComputePass: () => pass });
}

/** Encodes `parts` into one pass and submits it. A part is three items: a list, its first dispatch, and the one after its last. */
export function replay(device, queue, parts) {
  const encoder = device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  let current;
  for (let part = 0; part < parts.length; part += 3) {
    for (const [pipeline, group, workgroups] of parts[part].slice(parts[part + 1], parts[part + 2])) {
      if (pipeline !== current) pass.setPipeline((current = pipeline));
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(...workgroups);
    }
  }
  pass.end();
  queue.submit([encoder.finish()]);
}
