// The worker: takes requests one after the other, answers each, and says when the engine is beyond use.

import type { Engine } from "./engine.js";
import { Engines } from "./engines.js";
import { TenstepError, wireFromError } from "./errors.js";
import { loadModel, type LoadedEngine } from "./model-loader.js";
import type { LoadProgress, PictureOptions, RunState } from "./options.js";
import type { PartnerHost } from "./partner.js";
import { servePartner } from "./partner-worker.js";
import type { Generated, ModelRequest, Notice, Request, Response, Started, Value } from "./protocol.js";
import { Serial } from "./serial.js";

/** The part of DedicatedWorkerGlobalScope used here; TypeScript cannot load its library beside the page's. */
interface WorkerScope {
  postMessage(message: Response, transfer: (ArrayBufferLike | MessagePort)[]): void;
  onmessage: ((event: MessageEvent<Request | Notice>) => void) | null;
  addEventListener(type: "unhandledrejection", listener: (event: PromiseRejectionEvent) => void): void;
}

const scope = self as unknown as WorkerScope;
/** Turns at the engines. */
const turns = new Serial();
const engines = new Engines();
const aborts = new Map<number, AbortController>();
/** What hears that a model's partner is lost. */
const partners = new Map<number, () => void>();
/** By the page's number. */
const models = new Map<number, Model>();

interface Model extends Omit<LoadedEngine, "loaded"> {
  /** Engine's number of each run, by the page's number. */
  runs: Map<number, number>;
}

scope.onmessage = ({ data: request }) => {
  if (request.type === "partner") return servePartner(request.seed);
  if (request.type === "partner-lost") return partners.get(request.model)?.();
  if (request.type === "abort") {
    aborts.get(request.target)?.abort();
    return;
  }
  const abort = new AbortController();
  aborts.set(request.id, abort);
  const take = async () => {
    try {
      abort.signal.throwIfAborted();
      const value = await answer(request, abort.signal);
      send({ id: request.id, type: "done", value }, value);
    } catch (error) {
      fail(request.id, error);
    } finally {
      aborts.delete(request.id);
    }
  };
  // A load waits for the network, and takes its turns between those of other models. A drop waits for nothing.
  void (request.type === "load" || request.type === "drop" ? take() : turns.run(take));
};

// A trap in a callback of the engine ends no request of its own: tell the page, or it would wait for ever.
scope.addEventListener("unhandledrejection", (event) => fail(0, event.reason));

async function answer(request: ModelRequest, signal: AbortSignal): Promise<Value> {
  switch (request.type) {
    case "load": {
      const onProgress = throttledProgress(request.id);
      const { loaded, ...rest } = await loadModel({ ...request, engines, turns, onProgress, partnerHost: partnerHost(request.model), signal });
      models.set(request.model, { ...rest, runs: new Map() });
      return loaded;
    }
    case "unload":
      return unload(request.model);
    case "generate":
      return generate(request, signal);
    case "start": {
      const model = ready(request.model);
      const { run, ...started } = await start(model, request.options, request.state);
      model.runs.set(request.run, run);
      // A drop that followed the abort found nothing yet.
      if (signal.aborted) dropRun(model, request.run);
      return started;
    }
    case "step":
      return ofRun(request, signal, (engine, run) => engine.step(run));
    case "state":
      return ofRun(request, signal, (engine, run) => engine.state(run));
    case "decode":
      return ofRun(request, signal, (engine, run) => engine.decode(run));
    case "latents":
      return ofRun(request, signal, (engine, run) => engine.latents(run));
    case "drop":
      return dropRun(ready(request.model), request.run);
  }
}

/** The page, as the host of a model's partner. */
function partnerHost(model: number): PartnerHost {
  return {
    start: (seed, onLost) => {
      partners.set(model, onLost);
      scope.postMessage({ type: "partner-wanted", model, seed }, [seed.port]);
    },
    end: () => {
      partners.delete(model);
      send({ type: "partner-done", model });
    },
    onThreads: (threads) => send({ type: "threads", model, threads }),
  };
}

/** Frees a model. One that was not loaded to the end is not there. */
function unload(number: number): undefined {
  const loaded = models.get(number);
  if (!loaded) return;
  models.delete(number);
  const { engine, model, partner, runs } = loaded;
  partner?.close();
  for (const run of runs.values()) engine.drop(run);
  engine.abandon(model);
  engines.release(engine);
}

/** Starts a run, where there is a state from there. */
async function start({ engine, model }: Model, options: PictureOptions, state: RunState | undefined): Promise<Started & { run: number }> {
  const started = await engine.start(model, options);
  try {
    return { ...started, step: 0, done: false, ...(state && engine.restore(started.run, state)) };
  } catch (error) {
    if (isTyped(error)) engine.drop(started.run);
    throw error;
  }
}

async function generate(
  { id, model, options, state }: Extract<ModelRequest, { type: "generate" }>,
  signal: AbortSignal,
): Promise<Generated> {
  const began = performance.now();
  const loaded = ready(model);
  const { engine } = loaded;
  const started = await start(loaded, options, state);
  const { run, seed } = started;
  let { solverSteps } = started;
  let isIntact = true;
  const drop = dropper(loaded, run);
  signal.addEventListener("abort", drop, { once: true });
  try {
    for (let isDone = started.done; !isDone; ) {
      await turn();
      signal.throwIfAborted();
      const stepped = await engine.step(run);
      send({ id, type: "stepped", report: stepped }, stepped);
      isDone = stepped.done;
      solverSteps = stepped.solverSteps;
    }
    await turn();
    signal.throwIfAborted();
    const { timings, ...pixels } = await engine.decode(run);
    return { ...pixels, seed, solverSteps, timings: { ...timings, total: performance.now() - began } };
  } catch (error) {
    isIntact = isTyped(error);
    if (isIntact) signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", drop);
    if (isIntact) drop();
  }
}

/** Asks the engine about a run. An abort ends the run: that comes when its model is let go of. */
async function ofRun<T>(
  request: { model: number; run: number },
  signal: AbortSignal,
  ask: (engine: Engine, run: number) => Promise<T>,
): Promise<T> {
  const model = ready(request.model);
  const run = model.runs.get(request.run);
  if (run === undefined) throw new TenstepError("disposed", "the run is no longer there");
  const drop = dropper(model, run);
  signal.addEventListener("abort", drop, { once: true });
  try {
    return await ask(model.engine, run);
  } finally {
    signal.removeEventListener("abort", drop);
  }
}

/** Frees a run, where it is there. */
function dropRun({ engine, runs }: Model, number: number): undefined {
  const run = runs.get(number);
  if (run !== undefined) engine.drop(run);
  runs.delete(number);
}

/** Lets go of a run, and stops a step under way at the end of the piece in hand. */
function dropper({ engine, partner }: Model, run: number): () => void {
  return () => {
    engine.drop(run);
    partner?.stop();
  };
}

function ready(number: number): Model {
  const model = models.get(number);
  if (!model) throw new TenstepError("disposed", "no model is loaded");
  return model;
}

/** Lets waiting messages in. The CPU backend computes without leaving the thread, and would never hear of an abort. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** At most one report in 30 ms within a phase; the latest is never held back for longer. */
function throttledProgress(id: number): (progress: LoadProgress) => void {
  let phase = "";
  let latest: LoadProgress | null = null;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const flush = () => {
    timer = undefined;
    if (latest) send({ id, type: "progress", progress: latest });
    latest = null;
  };
  return (progress) => {
    latest = progress;
    if (progress.phase === phase && progress.loadedBytes < progress.totalBytes) {
      timer ??= setTimeout(flush, 30);
      return;
    }
    phase = progress.phase;
    clearTimeout(timer);
    flush();
  };
}

/** Pixels and states are handed over, not copied. */
function send(response: Response, value?: Value): void {
  scope.postMessage(response, value ? buffersOf(value) : []);
}

function buffersOf(value: Exclude<Value, undefined>): ArrayBufferLike[] {
  if ("data" in value) return [value.data.buffer];
  if ("preview" in value) return [value.preview?.data.buffer, value.state?.values.buffer].filter((buffer) => buffer !== undefined);
  return [];
}

function fail(id: number, error: unknown): void {
  const wire = wireFromError(error);
  if (isTyped(error)) {
    send({ id, type: "failed", error: wire, fatal: wire.code === "device-lost" });
    return;
  }
  const crash = { ...wire, name: "TenstepError", code: "engine-crashed", message: `the engine stopped: ${wire.name}: ${wire.message}` };
  send({ id, type: "failed", error: crash, fatal: true });
}

/** Whether an error was meant. Anything else is a panic or a mistake of ours, after which the engine's state cannot be trusted. */
function isTyped(error: unknown): boolean {
  return error instanceof Error && (error.name === "TenstepError" || error.name === "AbortError");
}
