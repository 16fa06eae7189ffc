// Our side: a network on one of the two modules.

/** `{ evaluate(inputs), flops }`; evaluate gives the output's values and the milliseconds in which the page was kept busy. */
export async function tenstep(backend, { component, batch, size, tokens }, { config, tensors, stored }, inputs) {
  const folder = backend === "webgpu" ? "gpu" : "cpu";
  const { default: init, Network } = await import(`/tenstep/${folder}/network.js`);
  await init({ module_or_path: `/tenstep/${folder}/network_bg.wasm` });
  const network = await Network.create(component, JSON.stringify(config), JSON.stringify(tensors), stored, batch, size, tokens);
  const evaluate = async (given = inputs) => {
    const start = performance.now();
    for (const { name, ours } of given) network.write(name, ours);
    network.submit();
    const busy = performance.now() - start;
    return { values: await network.read(), busy };
  };
  return { evaluate, flops: network.flops() };
}
