// A network's config, the list of its parameters, and the files with their stored forms, one after the other: of a model that ships, or
// from a config and a safetensors file. Together they may be more than a page can hold, so they are read when they are asked for.

/** `{ config, tensors, files, start }` for the network `name` of networks.json; the forms start at that byte of the first file. */
export function weightsOf(name, spec) {
  return spec.model ? fromManifest(spec) : fromSafetensors(name, spec);
}

/** Gives what promises the next so many bytes of the stored forms. */
export async function storedForms({ files, start }) {
  const { take } = bytesOf(files);
  await take(start);
  return take;
}

async function fromManifest({ model, component }) {
  const { components } = await (await got(`/models/${model}/manifest.json`)).json();
  const { config, tensors, shards } = components.find((candidate) => candidate.name === component);
  return { config, tensors, files: shards.map(({ file }) => `/models/${model}/${file}`), start: 0 };
}

/** A little-endian u64, a JSON header of that length, then the bytes that the header's offsets point into. */
async function fromSafetensors(name, spec) {
  const config = await (await got(`/bench/${spec.config}`)).json();
  const files = [`/exported/${name}.safetensors`];
  const { take, close } = bytesOf(files);
  const length = Number(new DataView((await take(8)).buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(await take(length)));
  await close();
  const entries = Object.entries(header).filter(([key]) => key !== "__metadata__");
  entries.sort(([, a], [, b]) => a.data_offsets[0] - b.data_offsets[0]);
  const tensors = entries.map(([key, { shape, dtype }]) => ({ name: key, shape, dtype: dtype.toLowerCase() }));
  return { config, tensors, files, start: 8 + length };
}

/** Files one after the other: `{ take(length), close() }`. */
function bytesOf(files) {
  const chunks = chunksOf(files);
  let rest = new Uint8Array();
  const take = async (length) => {
    const taken = new Uint8Array(length);
    for (let filled = 0; filled < length; ) {
      if (rest.length === 0) {
        const { value, done } = await chunks.next();
        if (done) throw new Error(`${files.at(-1)} is too short`);
        rest = value;
      }
      const part = rest.subarray(0, length - filled);
      taken.set(part, filled);
      rest = rest.subarray(part.length);
      filled += part.length;
    }
    return taken;
  };
  return { take, close: () => chunks.return() };
}

async function* chunksOf(files) {
  for (const file of files) yield* (await got(file)).body;
}

async function got(path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response;
}
