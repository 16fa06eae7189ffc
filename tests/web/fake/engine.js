// Stands in for the wasm modules where a test is about the TypeScript around them: the same exports, a made-up picture.
// Prompts that start with "fake:" make it fail in the ways an engine can.

export default async function init() {}

export class Engine {
  #backend = import.meta.url.includes("tenstep_gpu") ? "webgpu" : "cpu";
  #models = new Map();
  #nextModel = 0;
  #runs = new Map();
  #nextRun = 1;

  static async create() {
    return new Engine();
  }

  report() {
    return { backend: this.#backend, device: "fake", shaderF16: false, arithmetic: "f32" };
  }

  begin(manifestJson) {
    let manifest;
    try {
      manifest = JSON.parse(manifestJson);
    } catch (error) {
      throw typed("invalid-manifest", `manifest: ${error.message}`);
    }
    const { shards, name, revision = "0" } = manifest;
    if (!Array.isArray(shards)) throw typed("invalid-manifest", "manifest: shards is missing");
    const info = {
      name,
      revision,
      licence: "MIT",
      parameters: 0,
      rounded: false,
      defaultWidth: 64,
      defaultHeight: 64,
      sizeMultiple: 8,
      maxPixels: 4096,
      styles: ["flat"],
      solvers: ["dpmpp-2m", "ddim"],
      schedules: ["trailing", "karras"],
      defaults: { steps: 10, guidanceScale: 4, solver: "dpmpp-2m", schedule: "karras" },
    };
    const model = this.#nextModel++;
    this.#models.set(model, { shards, revision, pushed: new Set(), isFinished: false });
    const numbered = shards.map((shard, index) => ({ ...shard, shard: index }));
    return { model, shards: numbered, totalBytes: shards.reduce((sum, shard) => sum + shard.bytes, 0), canBeRounded: false, info };
  }

  async pushShard(model, index, bytes) {
    const { shards, pushed } = this.#model(model);
    const { file, sha256 } = shards[index];
    if (bytes.length !== shards[index].bytes) throw typed("shard-size", `shard ${file} holds ${bytes.length} bytes`);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes.slice()));
    const actual = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (actual !== sha256) throw typed("shard-hash", `shard ${file} is damaged`);
    pushed.add(index);
  }

  async finish(model) {
    const begun = this.#model(model);
    if (begun.pushed.size !== begun.shards.length) throw typed("missing-tensor", "not all shards were pushed");
    begun.isFinished = true;
  }

  abandon(model) {
    this.#models.delete(model);
  }

  async start(model, options) {
    const { isFinished, revision } = this.#model(model);
    if (!isFinished) throw typed("disposed", "the model is not finished");
    const { prompt = "", steps = 10, seed = 1, width = 64, height = 64 } = options;
    if (!Number.isInteger(steps) || steps < 1 || steps > 1000) {
      throw typed("invalid-option", `steps must be an integer from 1 to 1000, not ${steps}`);
    }
    if (prompt === "fake: slow start") await new Promise((resolve) => setTimeout(resolve, 50));
    const run = this.#nextRun++;
    this.#runs.set(run, { prompt, steps, seed, width, height, revision, step: 0, isResumed: false, isMixed: false });
    return { run, seed, steps, solverSteps: steps, width, height, warnings: [] };
  }

  async step(number) {
    const run = this.#run(number);
    const [, failure, when, then] =
      /^fake: (trap|device lost|trap in a callback|trap in a promise)( once| at each step)?(?:, then (endless|no memory))?$/.exec(run.prompt) ?? [];
    const isDue = when === " once" ? run.step === 2 && !run.isResumed : when === undefined || run.step > (run.resumedAt ?? 0) + 1;
    if (isDue && failure === "trap") trap();
    if (isDue && failure === "device lost") throw typed("device-lost", "the GPU device was lost: fake");
    if (isDue && failure === "trap in a callback") return new Promise(() => setTimeout(trap));
    if (isDue && failure === "trap in a promise") return new Promise(() => void Promise.resolve().then(trap));
    if (run.isResumed && then === "no memory") throw typed("out-of-memory", "there is no memory: fake");
    if (run.prompt === "fake: endless" || (run.isResumed && then === "endless")) return new Promise((_, reject) => (run.stop = () => reject(gone("run"))));
    await new Promise((resolve) => setTimeout(resolve, 2));
    run.step++;
    const preview = picture({ ...run, width: 8, height: 8 });
    // As late as a device's may be.
    const state = run.step > 1 ? stateAfter(run, run.step - 1) : null;
    return { ...standing(run), preview, state };
  }

  async state(number) {
    const run = this.#run(number);
    return stateAfter(run, run.step);
  }

  restore(number, { evaluations, values }) {
    const run = this.#run(number);
    if (values?.[0] !== evaluations) throw typed("invalid-option", "state must be one of mine");
    // Like the real one it cannot tell whose state this is: the picture of two models is another.
    const isMixed = values[1] !== markOf(run);
    Object.assign(run, { step: evaluations, isResumed: true, resumedAt: evaluations, isMixed });
    return standing(run);
  }

  async latents(number) {
    return new Float32Array([this.#run(number).step]);
  }

  async decode(number) {
    const run = this.#run(number);
    return { ...picture(run), timings: { text: 0, steps: Array.from({ length: run.step }, () => 2), decode: 0 }, warnings: [] };
  }

  async latents(number) {
    const { width, height, step } = this.#run(number);
    return new Float32Array((width / 4) * (height / 4) * 4).fill(step);
  }

  /** A step under way ends. */
  drop(number) {
    this.#runs.get(number)?.stop?.();
    this.#runs.delete(number);
  }

  free() {}

  #model(number) {
    const model = this.#models.get(number);
    if (!model) throw gone("model");
    return model;
  }

  #run(number) {
    const run = this.#runs.get(number);
    if (!run) throw gone("run");
    return run;
  }
}

function standing({ step, steps }) {
  return { step, steps, solverSteps: steps, done: step === steps };
}

function stateAfter(run, step) {
  return { evaluations: step, errors: [], values: new Float32Array([step, markOf(run)]) };
}

/** A number that stands for the model that made a run. */
function markOf({ revision, isMixed }) {
  return isMixed ? 0 : revision.length;
}

function picture({ seed, width, height, step, steps, isMixed }) {
  const data = new Uint8ClampedArray(4 * width * height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    data.set([(255 * step) / steps, (255 * pixel) / (width * height), (seed * 37 + Number(isMixed)) % 256, 255], 4 * pixel);
  }
  return { width, height, data };
}

/** A real trap: a wasm function whose body is `unreachable`. */
function trap() {
  const bytes = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 5, 1, 3, 0, 0, 11];
  new WebAssembly.Instance(new WebAssembly.Module(new Uint8Array(bytes))).exports.f();
}

function gone(what) {
  return typed("disposed", `the ${what} is no longer there`);
}

function typed(code, message) {
  return Object.assign(new Error(message), { name: "TenstepError", code });
}
