// Errors keep their name, message, code and stack on the way from the worker to the page.

/**
 * What programs match on; [errors](../errors.md) says what each means and what to do. The first group is made
 * in this package, the second in the engine (src/error.rs).
 */
export type TenstepErrorCode =
  /** A file could not be had: network failure after retries, or an HTTP status. */
  | "fetch-failed"
  /** The worker script, the wasm module or the script of `capabilities` could not be loaded. */
  | "engine-unavailable"
  /** The engine stopped in the middle of a call. The next `generate` loads it anew. */
  | "engine-crashed"
  /** `generate` was asked not to wait, and another call of it was not done. */
  | "busy"
  | "invalid-option"
  | "shape-mismatch"
  | "invalid-graph"
  | "unsupported-config"
  | "invalid-config"
  | "invalid-manifest"
  | "unsupported-manifest-version"
  | "missing-tensor"
  | "tensor-shape"
  | "shard-size"
  | "shard-hash"
  | "invalid-tokenizer"
  | "webgpu-unavailable"
  | "limit-too-small"
  | "device-lost"
  | "out-of-memory"
  | "gpu-error"
  | "not-finite"
  | "disposed";

/** What the package's calls are rejected with, but for what an `AbortSignal` or a callback of the caller's gives. */
export class TenstepError extends Error {
  /** Tells it from other errors, across copies of the package too. */
  override readonly name = "TenstepError";
  /** Does not change between versions. */
  readonly code: TenstepErrorCode;

  /** As `Error`, with a code before the message. */
  constructor(code: TenstepErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** An error as it crosses between threads. */
export interface WireError {
  name: string;
  message: string;
  code?: string;
  stack?: string;
}

export function wireFromError(error: unknown): WireError {
  if (!(error instanceof Error)) return { name: "Error", message: String(error) };
  const { name, message, stack } = error;
  const code: unknown = (error as { code?: unknown }).code;
  return { name, message, ...(typeof code === "string" && { code }), ...(stack !== undefined && { stack }) };
}

/** Rebuilds the error on the page's side: a TenstepError, a DOMException for aborts, else a plain Error. */
export function errorFromWire(wire: WireError): Error {
  if (wire.name === "AbortError") return new DOMException(wire.message, "AbortError");
  const error = wire.code === undefined ? new Error(wire.message) : new TenstepError(wire.code as TenstepErrorCode, wire.message);
  if (!(error instanceof TenstepError)) error.name = wire.name;
  if (wire.stack !== undefined) error.stack = wire.stack;
  return error;
}
