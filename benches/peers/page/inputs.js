// What a network is given, in the layout that each side takes: pictures channels last for ours, channels first for the peer.

const TIMESTEP = 500;

/** `[{ name, ours, theirs: { type, values, dims } }]` for a network of networks.json with diffusers' config. */
export function inputsFor({ component, batch, size, tokens }, config) {
  if (component === "text_encoder") {
    const ids = Array.from({ length: batch * tokens }, (_, i) => (7 * i + 3) % config.vocab_size);
    const theirs = { type: "int64", values: BigInt64Array.from(ids, BigInt), dims: [batch, tokens] };
    return [{ name: "input_ids", ours: Float32Array.from(ids), theirs }];
  }
  if (component === "vae_decoder") return [picture("latents", batch, size, config.latent_channels)];
  const text = wave(batch * tokens * config.cross_attention_dim);
  const timestep = new Float32Array(batch).fill(TIMESTEP);
  return [
    picture("sample", batch, size, config.in_channels),
    { name: "timestep", ours: timestep, theirs: { type: "float32", values: timestep, dims: [batch] } },
    { name: "encoder_hidden_states", ours: text, theirs: { type: "float32", values: text, dims: [batch, tokens, config.cross_attention_dim] } },
  ];
}

function picture(name, batch, size, channels) {
  const ours = wave(batch * size * size * channels);
  const theirs = { type: "float32", values: channelsFirst(ours, batch, channels), dims: [batch, channels, size, size] };
  return { name, ours, theirs };
}

function wave(length) {
  return Float32Array.from({ length }, (_, i) => Math.sin(0.37 * i));
}

/** [B, P, C] to [B, C, P]. */
export function channelsFirst(values, batch, channels) {
  const pixels = values.length / batch / channels;
  const out = new Float32Array(values.length);
  for (let b = 0; b < batch; b += 1)
    for (let p = 0; p < pixels; p += 1)
      for (let c = 0; c < channels; c += 1)
        out[(b * channels + c) * pixels + p] = values[(b * pixels + p) * channels + c];
  return out;
}
