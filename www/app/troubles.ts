// Errors as a sentence with what to do. Codes are those of docs/errors.md.

const BROKEN_MODEL = "The model on this server is broken; whoever runs the page can repair it.";

/** What helps, by error code. The message itself comes with the error. */
const advice: Record<string, string> = {
  "invalid-option": "Change that setting and try again.",
  "busy": "Wait for the picture under way, or cancel it.",
  "fetch-failed": "Check your connection, then try again.",
  "engine-unavailable": "Reload the page; if that does not help, update your browser.",
  "engine-crashed": "Try again: the engine starts anew.",
  "shard-size": "The download was cut short or changed on its way. Try again.",
  "shard-hash": "The download was changed on its way. Try again.",
  "invalid-manifest": BROKEN_MODEL,
  "unsupported-manifest-version": "Reload the page: it is older or newer than its model.",
  "invalid-tokenizer": BROKEN_MODEL,
  "invalid-config": BROKEN_MODEL,
  "missing-tensor": BROKEN_MODEL,
  "tensor-shape": BROKEN_MODEL,
  "invalid-graph": BROKEN_MODEL,
  "shape-mismatch": BROKEN_MODEL,
  "unsupported-config": "Change that setting; if the model itself is meant, whoever runs the page can repair it.",
  "webgpu-unavailable": "The processor makes the same pictures, more slowly.",
  "limit-too-small": "The processor makes the same pictures, more slowly.",
  "device-lost": "The GPU was reset. Try again; if it happens often, use the processor.",
  "out-of-memory": "Close other tabs, then try again, or use the processor.",
  "gpu-error": "Try again; if it happens again, use the processor.",
  "not-finite": "Try another seed, or use the processor.",
  "disposed": "Try again: the model is loaded anew.",
};

/** Failures of a GPU, which the processor does not have. */
const ofGpu = new Set(["webgpu-unavailable", "limit-too-small", "device-lost", "out-of-memory", "gpu-error", "not-finite"]);

/** What to show of an error: what happened, what to do about it, and the code to search for. */
export interface Trouble {
  message: string;
  advice: string;
  code: string;
  /** Whether the processor would do what the GPU could not. */
  helpsCpu: boolean;
}

/** Puts any thrown value into words. */
export function troubleFromError(error: unknown): Trouble {
  const { message, code } = Object(error) as { message?: unknown; code?: unknown };
  const text = typeof message === "string" && message !== "" ? message : String(error);
  const name = typeof code === "string" ? code : "";
  // A message may begin with a file's name, which keeps its case.
  const sentence = /^[a-z]+\s/.test(text) ? text.charAt(0).toUpperCase() + text.slice(1) : text;
  return {
    message: /[.!?]$/.test(sentence) ? sentence : `${sentence}.`,
    advice: advice[name] ?? "Try again; if it happens again, reload the page.",
    code: name,
    helpsCpu: ofGpu.has(name),
  };
}

/** Whether `error` says that somebody cancelled. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}
