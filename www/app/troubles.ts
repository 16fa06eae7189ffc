// Errors as a sentence with what to do. Codes are those of docs/errors.md.

/** What helps, by error code. The message itself comes with the error. */
const advice: Record<string, string> = {
  "invalid-option": "Change that setting and try again.",
  "fetch-failed": "Check your connection, then try again.",
  "engine-unavailable": "Reload the page; if that does not help, update your browser.",
  "engine-crashed": "Try again: the engine starts anew.",
  "shard-size": "The download was cut short or changed on its way. Try again.",
  "shard-hash": "The download was changed on its way. Try again.",
  "invalid-manifest": "The model on this server is broken; whoever runs the page can repair it.",
  "unsupported-manifest-version": "Reload the page: it is older or newer than its model.",
  "webgpu-unavailable": "Choose “The processor” under Advanced, Runs on.",
  "limit-too-small": "Choose “The processor” under Advanced, Runs on.",
  "device-lost": "The GPU was reset. Try again; if it happens often, choose “The processor” under Advanced.",
  "out-of-memory": "Close other tabs, then try again.",
  "gpu-error": "Try again; if it happens again, choose “The processor” under Advanced, Runs on.",
  "not-finite": "Try another seed, or choose “The processor” under Advanced, Runs on.",
};

/** What to show of an error: what happened, what to do about it, and the code to search for. */
export interface Trouble {
  message: string;
  advice: string;
  code: string;
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
  };
}

/** Whether `error` says that somebody cancelled. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}
