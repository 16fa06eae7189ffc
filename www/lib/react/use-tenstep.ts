// A hook around one shared Tenstep.

import { useCallback, useEffect, useRef, useState } from "react";
import { TenstepError, type GenerateOptions, type LoadProgress, type Picture, type Tenstep } from "../index.js";
import { keyOf, share, type SharedOptions } from "../shared/share.js";
import { untilAborted } from "../until-aborted.js";

/** What `useTenstep` gives. */
export interface TenstepState {
  /** Where the load stands. */
  status: "loading" | "ready" | "failed";
  /** The loaded model, once `ready`. Components with the same options share it: do not dispose it. */
  tenstep: Tenstep | null;
  /** How far the load has come; null before its first report. */
  progress: LoadProgress | null;
  /** Why the load failed. */
  error: Error | null;
  /** Waits for the model and makes a picture. Rejects with an AbortError when the component goes away or loads another model. */
  generate(options?: GenerateOptions): Promise<Picture>;
  /** Loads again after a failure. */
  retry(): void;
}

type LoadState = Pick<TenstepState, "status" | "tenstep" | "progress" | "error">;

interface Mounted {
  tenstep: Promise<Tenstep>;
  signal: AbortSignal;
}

const LOADING: LoadState = { status: "loading", tenstep: null, progress: null, error: null };

/** Loads a model while the component is mounted. Nothing happens on a server. */
export function useTenstep(options: SharedOptions): TenstepState {
  // As text, so that a URL or a list made anew in each render is the same one.
  const key = keyOf(options);
  const [state, setState] = useState(LOADING);
  const [attempt, setAttempt] = useState(0);
  const mounted = useRef<Mounted | null>(null);

  useEffect(() => {
    const gone = new AbortController();
    const { signal } = gone;
    const update = (next: Partial<LoadState>) => {
      if (!signal.aborted) setState({ ...LOADING, ...next });
    };
    update({});
    let isSettled = false;
    const use = share(options, (progress) => isSettled || update({ progress }));
    mounted.current = { tenstep: use.tenstep, signal };
    use.tenstep
      .then(
        (tenstep) => update({ status: "ready", tenstep }),
        (error: Error) => update({ status: "failed", error }),
      )
      .finally(() => (isSettled = true));
    return () => {
      mounted.current = null;
      gone.abort();
      use.end();
    };
  }, [key, attempt]);

  const generate = useCallback(async (options: GenerateOptions = {}) => {
    if (!mounted.current) throw new TenstepError("disposed", "the component that loads the model is not mounted");
    const { tenstep, signal: gone } = mounted.current;
    const signal = options.signal ? AbortSignal.any([options.signal, gone]) : gone;
    return (await untilAborted(tenstep, signal)).generate({ ...options, signal });
  }, []);
  const retry = useCallback(() => setAttempt((count) => count + 1), []);

  return { ...state, generate, retry };
}
