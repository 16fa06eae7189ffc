// What one guided evaluation of a UNet2DConditionModel costs, from the names and shapes of its tensors.

/** Prompt and no prompt. */
const BATCH = 2;
const BYTES_OF_F32 = 4;

export interface Tensor {
  name: string;
  shape: number[];
  elements: number;
  dtype: string;
}

interface Network {
  config: Record<string, unknown>;
  tensors: Tensor[];
}

export interface Cost {
  flops: number;
  /** Intermediate values that are alive at the same time, an estimate from above. */
  activationBytes: number;
}

/** Null where the networks are of another kind than is known here. */
export function unetCost(networks: { unet?: Network | undefined; text?: Network | undefined; decoder?: Network | undefined }, width: number, height: number): Cost | null {
  const { unet, text, decoder } = networks;
  const levels = lengthOf(unet?.config["block_out_channels"]);
  // A model of pixels has no decoder to speak of.
  const isOfPixels = decoder?.config["_class_name"] === "Identity";
  const factor = isOfPixels ? 1 : 2 ** (lengthOf(decoder?.config["block_out_channels"]) - 1);
  const tokens = text?.config["max_position_embeddings"];
  if (!unet || levels === 0 || !(factor >= 1) || typeof tokens !== "number") return null;

  const pixels = (width / factor) * (height / factor);
  const positionsAt = (level: number) => pixels / 4 ** level;
  let flops = 0;
  let skipped = 0;
  let widest = 0;
  for (const { name, shape, elements } of unet.tensors) {
    if (!name.endsWith(".weight") || shape.length < 2) continue;
    const positions = positionsAt(levelOf(name, levels));
    flops += 2 * elements * (isOfTime(name) ? 1 : isOfText(name) ? tokens : positions);
    const [outputs = 0, inputs = 0] = shape;
    // Each query meets every key, and takes from every value: of the picture, or of the text.
    if (name.endsWith("attn1.to_q.weight")) flops += 4 * outputs * positions * positions;
    if (name.endsWith("attn2.to_q.weight")) flops += 4 * outputs * positions * tokens;
    if (isOfTime(name) || isOfText(name)) continue;
    widest = Math.max(widest, (inputs + outputs) * positions);
    if (/^(conv_in|down_blocks\.\d+\.(resnets\.\d+\.conv2|downsamplers\.\d+\.conv))\./.test(name)) skipped += outputs * positions;
  }
  const [channels = 0] = (decoder?.config["block_out_channels"] as number[] | undefined) ?? [];
  const decoding = 3 * channels * width * height;
  return {
    flops: BATCH * flops,
    activationBytes: BYTES_OF_F32 * Math.max(BATCH * (skipped + 2 * widest), decoding),
  };
}

/** How often the picture was halved before a layer: a block's last layer changes the size for the next block. */
function levelOf(name: string, levels: number): number {
  const [, side, block, part] = /^(down|up)_blocks\.(\d+)\.(\w+)/.exec(name) ?? [];
  if (side === "down") return Number(block) + (part === "downsamplers" ? 1 : 0);
  if (side === "up") return levels - 1 - Number(block) - (part === "upsamplers" ? 1 : 0);
  return name.startsWith("mid_block.") ? levels - 1 : 0;
}

function isOfTime(name: string): boolean {
  return name.startsWith("time_embedding.") || name.includes(".time_emb_proj.");
}

function isOfText(name: string): boolean {
  return /\.attn2\.to_[kv]\./.test(name);
}

function lengthOf(value: unknown): number {
  return Array.isArray(value) ? value.length : 0;
}
