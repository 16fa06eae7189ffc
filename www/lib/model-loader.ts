// Brings up an engine with a model in it: backend, wasm module, manifest, shards, pipelines.

import { chooseBackend, CPU, threadsFor, type Choice } from "./choose-backend.js";
import { isPairing, type Engine, type ModelToLoad } from "./engine.js";
import type { Engines } from "./engines.js";
import type { TenstepError } from "./errors.js";
import type { Arithmetic, Backend, LoadProgress } from "./options.js";
import { Partner, type PartnerHost } from "./partner.js";
import type { Loaded } from "./protocol.js";
import type { Serial } from "./serial.js";
import { writeRecord } from "./store/model-records.js";
import { openStore, type StoreChoice } from "./store/open.js";
import { ShardStore } from "./store/shard-store.js";
import type { Bytes } from "./weights/byte-count.js";
import { pushShards } from "./weights/fetch.js";
import { fetchManifest } from "./weights/manifest.js";
import { HttpShards } from "./weights/source.js";

export interface LoadRequest {
  manifest: string;
  /** Other addresses of the same manifest. */
  mirrors: string[];
  store: StoreChoice;
  backend?: Backend | undefined;
  threads?: 1 | 2 | undefined;
  arithmetic: Arithmetic;
  wasmUrl?: string | undefined;
  /** Those of the worker. */
  engines: Engines;
  /** Where their work waits for its turn; what arrives over the network does not. */
  turns: Serial;
  onProgress: (progress: LoadProgress) => void;
  /** For a second thread, where there is to be one. */
  partnerHost: PartnerHost;
  signal: AbortSignal;
}

export interface LoadedEngine {
  backend: Backend;
  engine: Engine;
  /** The engine's number of the model. */
  model: number;
  loaded: Loaded;
  /** Null where one thread computes. It may not have joined yet, and may be gone. */
  partner: Partner | null;
}

export async function loadModel(request: LoadRequest): Promise<LoadedEngine> {
  const { engines, turns, onProgress, signal } = request;
  onProgress(progress("engine", 0));
  const manifestUrls = [request.manifest, ...request.mirrors];
  const opened = openStore(request.store).then((store) => new ShardStore(store));
  const fetched = opened.then((store) => fetchManifest(manifestUrls, store, signal));
  const manifestText = fetched.then(({ text }) => text);
  manifestText.catch(() => undefined); // Awaited below, once there is an engine to read it.
  const { engine, choice, ...begun } = await beginOnBestBackend(request, manifestText);
  let { loading } = begun;
  let partner: Partner | null = null;
  try {
    const [store, manifest] = await Promise.all([opened, fetched]);
    const { totalBytes } = loading;
    if (isPairing(engine) && threadsFor(choice.backend, request.threads) === 2) {
      partner = new Partner(engine.module(), manifest.text, request.partnerHost);
    }
    onProgress(progress("download", totalBytes));
    let latest: Bytes | undefined;
    const fill = async (loading: ModelToLoad): Promise<ModelToLoad> => {
      await pushShards({
        engine,
        turns,
        loading,
        store,
        source: new HttpShards({ manifestUrls, first: manifest.place, isKept: store.kind !== "none" }),
        onBytes: (bytes) => onProgress(progress("download", totalBytes, (latest = bytes))),
        onVerified: (...verified) => partner?.take(...verified),
        signal,
      });
      onProgress(progress("compile", totalBytes, latest));
      await turns.run(() => {
        signal.throwIfAborted();
        return engine.finish(loading.model);
      });
      return loading;
    };
    loading = await fill(loading).catch((error: unknown) => {
      if (!loading.canBeRounded || (error as Partial<TenstepError>).code !== "out-of-memory") throw error;
      engine.abandon(loading.model);
      return fill((loading = engine.begin(manifest.text, true)));
    });
    const { model, info } = loading;
    if (isPairing(engine)) partner?.join(engine, model);
    const isUnchanged = manifest.isKept && latest?.network === 0;
    await store.use((kept) => writeRecord(kept, request.manifest, manifest.text, loading, isUnchanged));
    const storage = { kind: store.kind, reason: store.reason, manifest: manifest.from };
    const report = engine.report();
    const backend = { ...report, device: choice.device || report.device, reason: choice.reason };
    signal.throwIfAborted();
    return { backend: choice.backend, engine, model, loaded: { backend, model: info, storage }, partner };
  } catch (error) {
    partner?.close();
    if (!isTrap(error)) {
      engine.abandon(loading.model);
      engines.release(engine);
    }
    throw error;
  }
}

/** After one nothing of the engine may be called, and its worker ends. */
function isTrap(error: unknown): boolean {
  return error instanceof WebAssembly.RuntimeError;
}

function progress(phase: LoadProgress["phase"], totalBytes: number, bytes: Bytes = { cached: 0, network: 0, uploaded: 0 }): LoadProgress {
  const { cached, network, uploaded } = bytes;
  return { phase, loadedBytes: cached + network, totalBytes, cachedBytes: cached, networkBytes: network, uploadedBytes: uploaded };
}

interface Begun {
  engine: Engine;
  loading: ModelToLoad;
  choice: Choice;
}

/** Where nothing is forced, a GPU that turns out to be unfit for this model gives way to the CPU, with the reason. */
async function beginOnBestBackend(request: LoadRequest, manifestText: Promise<string>): Promise<Begun> {
  const choice = await chooseBackend(request.backend);
  try {
    return await begin(choice, request, manifestText);
  } catch (error) {
    const isUnfit =
      error instanceof Error && ["webgpu-unavailable", "limit-too-small"].includes((error as Partial<TenstepError>).code ?? "");
    if (!isUnfit || request.backend !== undefined || choice.backend === "cpu") throw error;
    const onCpu: Choice = { backend: "cpu", reason: `${choice.reason} But ${error.message}.`, device: CPU };
    return begin(onCpu, request, manifestText);
  }
}

async function begin(choice: Choice, { engines, arithmetic, wasmUrl }: LoadRequest, manifestText: Promise<string>): Promise<Begun> {
  const engine = await engines.take(choice.backend, arithmetic, wasmUrl);
  try {
    return { engine, loading: engine.begin(await manifestText), choice };
  } catch (error) {
    if (!isTrap(error)) engines.release(engine);
    throw error;
  }
}
