// From a manifest's text to what its model asks of a device. The engine checks manifests in full; here only what is read.

import { TenstepError } from "../errors.js";
import type { Backend } from "../options.js";
import type { ModelNeeds } from "./report.js";
import { unetCost, type Tensor } from "./unet-cost.js";

/** The loader's: shards under way at a time. */
const SHARDS_IN_FLIGHT = 4;
/** The GPU engine's: weights that are on the device twice while they change form. */
const REPACKED_BYTES = 64 << 20;
const BYTES_OF_F32 = 4;
const BYTES_OF_F16 = 2;
/** Channels of a row that share a scale of int4. */
const GROUP_CHANNELS = 32;

export interface Needs extends Omit<ModelNeeds, "estimate"> {
  defaultSteps: number;
}

export function needsFromManifest(text: string, backend: Backend, threads: 1 | 2): Needs {
  const manifest = object(parsed(text), "the manifest");
  const defaults = object(manifest["defaults"], "defaults");
  const [width, height] = [count(defaults["width"], "defaults.width"), count(defaults["height"], "defaults.height")];
  const components = list(manifest["components"], "components").map(component).filter(({ lazy }) => !lazy);
  const tensors = components.flatMap((one) => one.tensors);
  const shards = components.flatMap((one) => one.shards);
  const cost = unetCost({ unet: find(components, "unet"), text: find(components, "text_encoder"), decoder: find(components, "vae_decoder") }, width, height);

  const stored = total(shards);
  const elementsOf = (tensors: Tensor[]) => total(tensors.map((tensor) => tensor.elements));
  // A second thread has a UNet of its own.
  const elements = elementsOf(tensors) + (threads - 1) * elementsOf(find(components, "unet")?.tensors ?? []);
  const weights = backend === "cpu" ? BYTES_OF_F32 * elements : stored + Math.min(stored, REPACKED_BYTES);
  const inFlight = SHARDS_IN_FLIGHT * Math.max(...shards, 0);
  return {
    name: word(manifest["name"], "name"),
    revision: word(manifest["revision"], "revision"),
    downloadBytes: stored,
    largestTensorBytes: Math.max(...tensors.map(storedBytes), 0),
    memoryBytes: weights + inFlight + (cost?.activationBytes ?? 0),
    evaluationFlops: cost?.flops ?? null,
    defaultSteps: count(defaults["steps"], "defaults.steps"),
  };
}

interface Component {
  name: string;
  lazy: boolean;
  config: Record<string, unknown>;
  tensors: Tensor[];
  /** Bytes of each. */
  shards: number[];
}

function component(value: unknown, index: number): Component {
  const at = `components[${index}]`;
  const { name, lazy, config, tensors, shards } = object(value, at);
  return {
    name: word(name, `${at}.name`),
    lazy: lazy === true,
    config: object(config, `${at}.config`),
    tensors: list(tensors, `${at}.tensors`).map((one, number) => tensor(one, `${at}.tensors[${number}]`)),
    shards: list(shards, `${at}.shards`).map((one, number) => count(object(one, `${at}.shards[${number}]`)["bytes"], `${at}.shards[${number}].bytes`)),
  };
}

function tensor(value: unknown, at: string): Tensor {
  const { name, shape, dtype } = object(value, at);
  const extents = list(shape, `${at}.shape`).map((extent) => count(extent, `${at}.shape`));
  const elements = count(extents.reduce((product, extent) => product * extent, 1), `the product of ${at}.shape`);
  return { name: word(name, `${at}.name`), shape: extents, elements, dtype: word(dtype, `${at}.dtype`) };
}

/** As src/weights/storage.rs lays them out. */
function storedBytes({ shape, elements, dtype }: Tensor): number {
  switch (dtype) {
    case "f16":
      return 2 * elements;
    case "int8":
      return elements + BYTES_OF_F32 * (shape[0] ?? 1);
    case "int4":
      return Math.ceil(elements / 2) + BYTES_OF_F16 * (shape[0] ?? 1) * Math.ceil((shape[1] ?? 1) / GROUP_CHANNELS);
    case "f32":
      return BYTES_OF_F32 * elements;
    default:
      throw invalid(`a tensor's dtype must be f32, f16, int8 or int4, not ${JSON.stringify(dtype.slice(0, 40))}`);
  }
}

function find(components: Component[], name: string): Component | undefined {
  return components.find((one) => one.name === name);
}

function total(numbers: number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TenstepError("invalid-manifest", `manifest: ${(cause as Error).message}`, { cause });
  }
}

function object(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw invalid(`${what} must be an object`);
  return value as Record<string, unknown>;
}

function list(value: unknown, what: string): unknown[] {
  if (!Array.isArray(value)) throw invalid(`${what} must be a list`);
  return value;
}

function word(value: unknown, what: string): string {
  if (typeof value !== "string") throw invalid(`${what} must be a string`);
  return value;
}

function count(value: unknown, what: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 1) throw invalid(`${what} must be a positive integer`);
  return value as number;
}

function invalid(message: string): TenstepError {
  return new TenstepError("invalid-manifest", `manifest: ${message}`);
}
