// One thing at a time, in the order asked for.

export class Serial {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `job` after all earlier ones have settled. */
  run<T>(job: () => T | Promise<T>): Promise<T> {
    const result = this.#last.then(job);
    this.#last = result.catch(() => undefined);
    return result;
  }
}
