// A network's config, the list of its parameters, and their stored forms one after the other: from a model that ships, or from
// a config and a safetensors file.

/** `{ config, tensors, stored }` for the network `name` of networks.json. */
export function weightsOf(name, spec) {
  return spec.model ? fromManifest(spec) : fromSafetensors(name, spec);
}

async function fromManifest({ model, component }) {
  const { components } = await (await got(`/models/${model}/manifest.json`)).json();
  const { config, tensors, shards } = components.find((candidate) => candidate.name === component);
  const parts = await Promise.all(shards.map(async ({ file }) => (await got(`/models/${model}/${file}`)).blob()));
  return { config, tensors, stored: new Uint8Array(await new Blob(parts).arrayBuffer()) };
}

/** A file of f32 tensors: a little-endian u64, a JSON header of that length, then the bytes that the header's offsets point into. */
async function fromSafetensors(name, spec) {
  const config = await (await got(`/bench/${spec.config}`)).json();
  const file = await (await got(`/exported/${name}.safetensors`)).arrayBuffer();
  const start = 8 + Number(new DataView(file).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(file, 8, start - 8)));
  const entries = Object.entries(header).filter(([key]) => key !== "__metadata__");
  entries.sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0]);
  const tensors = entries.map(([key, { shape, dtype }]) => ({ name: key, shape, dtype: dtype.toLowerCase() }));
  return { config, tensors, stored: new Uint8Array(file, start) };
}

async function got(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response;
}
