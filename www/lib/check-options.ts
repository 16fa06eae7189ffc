// What the page can check before a worker is asked: names of options, callbacks, addresses. Values are checked in the engine.

import type { LoadPlan } from "./client.js";
import { TenstepError } from "./errors.js";
import type {
  Arithmetic,
  Backend,
  GenerateOptions,
  LoadOptions,
  PictureOptions,
  ResumeOptions,
  RunState,
  SavedRun,
  SolverOptions,
  StartOptions,
  WhenBusy,
} from "./options.js";
import { baseAddress } from "./platform.js";
import type { CapabilitiesOptions } from "./survey/report.js";

const PICTURE_KEYS: (keyof PictureOptions)[] = [
  "prompt", "negativePrompt", "style", "steps", "guidanceScale", "guidanceRescale", "guidanceInterval", "solver",
  "solverOptions", "schedule", "timesteps", "sigmas", "seed", "width", "height",
];
const LISTS: string[] = ["timesteps", "sigmas", "guidanceInterval"] satisfies (keyof PictureOptions)[];
const START_KEYS: (keyof StartOptions)[] = [...PICTURE_KEYS, "signal", "onInterruption"];
const GENERATE_KEYS: (keyof GenerateOptions)[] = [...START_KEYS, "onStep", "whenBusy"];
const RESUME_KEYS: (keyof ResumeOptions)[] = ["signal", "onInterruption"];
const WHEN_BUSY: unknown[] = ["queue", "replace", "reject"] satisfies WhenBusy[];
const STORES: unknown[] = ["auto", "opfs", "cache", "none"] satisfies LoadOptions["store"][];
const ARITHMETICS: unknown[] = ["f32", "f16", "int8"] satisfies Arithmetic[];
const LOAD_KEYS: (keyof LoadOptions)[] = [
  "manifest", "mirrors", "store", "backend", "threads", "arithmetic", "beside", "workerUrl", "wasmUrl", "onProgress", "signal",
];
const SURVEY_KEYS: (keyof CapabilitiesOptions)[] = ["manifest", "backend", "threads", "steps", "measureSpeed", "signal"];

export function planFromLoadOptions(options: LoadOptions): LoadPlan {
  const known = checked("load", options, LOAD_KEYS);
  const { mirrors = [], store = "auto", onProgress } = known;
  const backend = checkedBackend(known.backend);
  if (!STORES.includes(store)) throw invalid("store", STORES.map((name) => `"${name}"`).join(", "), store);
  if (!Array.isArray(mirrors)) throw invalid("mirrors", "a list of addresses", mirrors);
  if (known.manifest === undefined) throw invalid("manifest", "the address of a manifest.json", undefined);
  if (known.beside !== undefined) {
    for (const key of ["workerUrl", "wasmUrl"] as const) {
      if (known[key] !== undefined) throw invalid(key, "left out with beside, whose worker is there already", known[key]);
    }
  }
  const folder = absoluteUrl("wasmUrl", known.wasmUrl);
  return {
    manifest: placeOfModel("manifest", known.manifest),
    mirrors: mirrors.map((address, at) => placeOfModel(`mirrors[${at}]`, address ?? null)),
    store,
    backend,
    threads: checkedThreads(known.threads),
    arithmetic: checkedArithmetic(known.arithmetic),
    workerUrl: absoluteUrl("workerUrl", known.workerUrl),
    wasmUrl: folder && (folder.endsWith("/") ? folder : `${folder}/`),
    onProgress,
  };
}

export type SurveyPlan = ReturnType<typeof planFromCapabilitiesOptions>;

export function planFromCapabilitiesOptions(options: CapabilitiesOptions) {
  const { manifest, backend, threads, steps, measureSpeed = true, signal } = checked("capabilities", options, SURVEY_KEYS);
  if (steps !== undefined && !(Number.isInteger(steps) && steps >= 1 && steps <= 1000)) {
    throw invalid("steps", "an integer from 1 to 1000", steps);
  }
  if (typeof measureSpeed !== "boolean") throw invalid("measureSpeed", "true or false", measureSpeed);
  const address = absoluteUrl("manifest", manifest);
  return { manifest: address, backend: checkedBackend(backend), threads: checkedThreads(threads), steps, measureSpeed, signal };
}

function checkedBackend(backend: Backend | undefined): Backend | undefined {
  if (backend === undefined || backend === "webgpu" || backend === "cpu") return backend;
  throw invalid("backend", '"webgpu" or "cpu"', backend);
}

function checkedThreads(threads: LoadOptions["threads"]): LoadOptions["threads"] {
  if (threads === undefined || threads === 1 || threads === 2) return threads;
  throw invalid("threads", "1 or 2", threads);
}

function checkedArithmetic(arithmetic: Arithmetic | undefined): Arithmetic | undefined {
  if (arithmetic === undefined || ARITHMETICS.includes(arithmetic)) return arithmetic;
  throw invalid("arithmetic", '"f32", "f16" or "int8"', arithmetic);
}

export function pictureOptionsFromGenerate(options: GenerateOptions): PictureOptions {
  const { whenBusy } = checked("generate", options, GENERATE_KEYS);
  if (whenBusy !== undefined && !WHEN_BUSY.includes(whenBusy)) throw invalid("whenBusy", '"queue", "replace" or "reject"', whenBusy);
  return pictureOptions(options);
}

/** The parts of a saved run, which may come from anywhere; what its state says is checked in the engine, its revision when it starts. */
export function checkedSavedRun(saved: SavedRun, options: ResumeOptions): SavedRun {
  checked("resume", options, RESUME_KEYS);
  if (typeof saved !== "object" || saved === null) throw invalid("the first argument of resume", "what run.save() gave", saved);
  if (saved.version !== 1) throw invalid("the saved run's version", "1", saved.version);
  if (typeof saved.state !== "object" || saved.state === null) throw invalid("the saved run's state", "an object", saved.state);
  const picture = pictureOptions(checked("start", saved.options as StartOptions, PICTURE_KEYS));
  return { ...saved, options: picture, state: copyOfState(saved.state) };
}

function copyOfState({ evaluations, errors, values }: RunState): RunState {
  if (typeof evaluations !== "number") throw invalid("the saved run's evaluations", "a number", evaluations);
  // What only looks like one, and one whose buffer was transferred, cannot be sent.
  const isSound = ArrayBuffer.isView(values) && values[Symbol.toStringTag] === "Float32Array" && values.length > 0;
  if (!isSound) throw invalid("the saved run's values", "a Float32Array that holds them", values);
  return { evaluations, errors: copyOfList("the saved run's errors", errors), values: new Float32Array(values) };
}

/** Whether the model, which is of `revision`, made a saved run. */
export function checkRevision(saved: Pick<SavedRun, "revision">, revision: string): void {
  if (saved.revision !== revision) throw invalid("the saved run's model", `that of revision ${revision}`, saved.revision);
}

export function pictureOptionsFromStart(options: StartOptions): PictureOptions {
  return pictureOptions(checked("start", options, START_KEYS));
}

/**
 * What crosses to the worker: given values only, each of a kind that can be cloned. Lists and objects are copies: frameworks
 * wrap them in proxies, which cannot, and what the caller does with its own later is no matter after a lost engine.
 */
function pictureOptions(options: GenerateOptions): PictureOptions {
  const given = PICTURE_KEYS.filter((key) => options[key] !== undefined);
  return Object.fromEntries(given.map((key) => [key, copyOfOption(key, options[key])]));
}

function copyOfOption(key: keyof PictureOptions, value: unknown): unknown {
  if (LISTS.includes(key)) return copyOfList(key, value);
  if (key === "solverOptions") return copyOfSolverOptions(value);
  if (typeof value !== "string" && typeof value !== "number") throw invalid(key, "a string or a number", value);
  return value;
}

function copyOfList(name: string, value: unknown): number[] {
  const list: unknown[] | false = Array.isArray(value) && [...value];
  if (!list || !list.every((item) => typeof item === "number")) throw invalid(name, "a list of numbers", value);
  return list;
}

function copyOfSolverOptions(value: unknown): SolverOptions {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw invalid("solverOptions", "an object of the solver's options", value);
  }
  const options = { ...value };
  for (const [name, option] of Object.entries(options)) {
    if (option !== undefined && !["string", "number", "boolean"].includes(typeof option)) {
      throw invalid(name, "a string, a number, true or false", option);
    }
  }
  return options;
}

/** Refuses what is no plain set of known options, and callbacks and signals of the wrong kind. */
function checked<T extends { signal?: AbortSignal }>(call: string, options: T, keys: (keyof T & string)[]): T {
  if (typeof options !== "object" || options === null) throw invalid(`the argument of ${call}`, "an object of options", options);
  for (const key of Object.keys(options)) {
    if (!(keys as string[]).includes(key)) throw invalid("options", `among ${keys.join(", ")}`, key);
  }
  for (const key of ["onStep", "onProgress", "onInterruption"]) {
    const callback = (options as Record<string, unknown>)[key];
    if (callback !== undefined && typeof callback !== "function") throw invalid(key, "a function", callback);
  }
  if (options.signal !== undefined && !(options.signal instanceof AbortSignal)) {
    throw invalid("signal", "an AbortSignal", options.signal);
  }
  return options;
}

/** The address of a manifest, beside which its shards lie. */
function placeOfModel(option: string, address: string | URL | null): string {
  const manifest = absoluteUrl(option, address)!;
  try {
    new URL("shard", manifest);
  } catch {
    throw invalid(option, "an address that shards can lie beside", String(address));
  }
  return manifest;
}

function absoluteUrl(option: string, address: string | URL | null | undefined): string | undefined {
  if (address === undefined) return undefined;
  if (typeof address !== "string" && !(address instanceof URL)) throw invalid(option, "a string or a URL", address);
  try {
    return new URL(address, baseAddress()).href;
  } catch {
    throw invalid(option, "a valid address", address);
  }
}

export function invalid(option: string, accepted: string, value: unknown): TenstepError {
  return new TenstepError("invalid-option", `${option} must be ${accepted}, not ${described(value)}`);
}

function described(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 80));
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" ? "a function" : String(value);
}
