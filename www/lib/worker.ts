// The worker: takes requests one after the other, answers each, and says when the engine is beyond use.

import type { Engine } from "./engine.js";
import { TenstepError, wireFromError } from "./errors.js";
import { loadModel } from "./model-loader.js";
import type { LoadProgress, PictureOptions, RunState } from "./options.js";
import type { Partner, PartnerHost } from "./partner.js";
import { servePartner } from "./partner-worker.js";
import type { Generated, Notice, Request, Response, Started, Value } from "./protocol.js";
import { Serial } from "./serial.js";

/** The part of DedicatedWorkerGlobalScope used here; TypeScript cannot load its library beside the page's. */
interface WorkerScope {
  postMessage(message: Response, transfer: (ArrayBufferLike | MessagePort)[]): void;
  onmessage: ((event: MessageEvent<Request | Notice>) => void) | null;
  addEventListener(type: "unhandledrejection", listener: (event: PromiseRejectionEvent) => void): void;
}

const scope = self as unknown as WorkerScope;
const serial = new Serial();
const aborts = new Map<number, AbortController>();
/** Engine's number of each run, by the page's number. */
const runs = new Map<number, number>();
/** What hears that a partner is lost, by its number. */
const partners = new Map<number, () => void>();
let nextPartner = 1;
let current: { engine: Engine; model: number; partner: Partner | null } | null = null;

scope.onmessage = ({ data: request }) => {
  if (request.type === "partner") return servePartner(request.seed);
  if (request.type === "partner-lost") return partners.get(request.partner)?.();
  if (request.type === "abort") {
    aborts.get(request.target)?.abort();
    return;
  }
  const abort = new AbortController();
  aborts.set(request.id, abort);
  void serial.run(async () => {
    try {
      abort.signal.throwIfAborted();
      const value = await answer(request, abort.signal);
      send({ id: request.id, type: "done", value }, value);
    } catch (error) {
      fail(request.id, error);
    } finally {
      aborts.delete(request.id);
    }
  });
};

// A trap in a callback of the engine ends no request of its own: tell the page, or it would wait for ever.
scope.addEventListener("unhandledrejection", (event) => fail(0, event.reason));

async function answer(request: Exclude<Request, { type: "abort" }>, signal: AbortSignal): Promise<Value> {
  switch (request.type) {
    case "load": {
      const onProgress = throttledProgress(request.id);
      const { loaded, ...rest } = await loadModel({ ...request, onProgress, partnerHost: partnerHost(), signal });
      current = rest;
      return loaded;
    }
    case "generate":
      return generate(request, signal);
    case "start": {
      const { run, ...started } = await start(request.options, request.state);
      runs.set(request.run, run);
      return started;
    }
    case "step":
      return ready().engine.step(runNumber(request.run));
    case "state":
      return ready().engine.state(runNumber(request.run));
    case "decode":
      return ready().engine.decode(runNumber(request.run));
    case "latents":
      return ready().engine.latents(runNumber(request.run));
    case "drop": {
      const run = runs.get(request.run);
      if (run !== undefined) ready().engine.drop(run);
      runs.delete(request.run);
      return undefined;
    }
  }
}

/** The page, as the host of one partner. */
function partnerHost(): PartnerHost {
  const partner = nextPartner++;
  return {
    start: (seed, onLost) => {
      partners.set(partner, onLost);
      scope.postMessage({ id: 0, type: "partner-wanted", partner, seed }, [seed.port]);
    },
    end: () => {
      partners.delete(partner);
      send({ id: 0, type: "partner-done", partner });
    },
    onThreads: (threads) => send({ id: 0, type: "threads", threads }),
  };
}

/** Starts a run, where there is a state from there. */
async function start(options: PictureOptions, state: RunState | undefined): Promise<Started & { run: number }> {
  const { engine, model } = ready();
  const started = await engine.start(model, options);
  try {
    return { ...started, step: 0, done: false, ...(state && engine.restore(started.run, state)) };
  } catch (error) {
    if (isTyped(error)) engine.drop(started.run);
    throw error;
  }
}

async function generate({ id, options, state }: Extract<Request, { type: "generate" }>, signal: AbortSignal): Promise<Generated> {
  const began = performance.now();
  const { engine, partner } = ready();
  const started = await start(options, state);
  const { run, seed } = started;
  let { solverSteps } = started;
  let isIntact = true;
  // Stops a step under way at the end of the piece in hand.
  const drop = () => {
    engine.drop(run);
    partner?.stop();
  };
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

function ready(): NonNullable<typeof current> {
  if (!current) throw new TenstepError("disposed", "no model is loaded");
  return current;
}

function runNumber(run: number): number {
  const number = runs.get(run);
  if (number === undefined) throw new TenstepError("disposed", "the run is no longer there");
  return number;
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
