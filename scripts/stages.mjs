// Runs named stages one after the other, or one beside others, times each, and prints the table at the end.

export class Stages {
  #began = performance.now();
  #rows = [];

  /** Runs one stage. Gives what it gives, or undefined when it failed; later stages still run. */
  async run(name, work) {
    console.log(`\n== ${name}`);
    return this.#end(name, await timed(work));
  }

  /** Begins one stage beside those that follow; `work` gives its output. Gives what waits for it and shows it. */
  begin(name, work) {
    const ending = timed(work);
    return async () => {
      const ended = await ending;
      console.log(`\n== ${name}`);
      process.stdout.write(ended.value ?? ended.failure.output ?? "");
      this.#end(name, ended);
    };
  }

  #end(name, { value, failure, seconds }) {
    if (failure) console.error(`!! ${failure.message}`);
    this.#rows.push({ name, seconds, failure });
    return value;
  }

  /** Prints one line a stage and gives whether all went well. */
  report() {
    const width = Math.max(...this.#rows.map((row) => row.name.length), 5);
    const line = (name, seconds, note) => console.log(`${name.padEnd(width)}  ${seconds.toFixed(1).padStart(7)} s  ${note}`);
    console.log("\nStage times");
    for (const { name, seconds, failure } of this.#rows) line(name, seconds, failure ? `FAILED: ${failure.message}` : "passed");
    line("total", secondsSince(this.#began), "");
    return this.#rows.every((row) => !row.failure);
  }
}

/** `{ value, failure, seconds }`, one of the first two. */
async function timed(work) {
  const began = performance.now();
  try {
    return { value: await work(), failure: null, seconds: secondsSince(began) };
  } catch (failure) {
    return { failure, seconds: secondsSince(began) };
  }
}

function secondsSince(moment) {
  return (performance.now() - moment) / 1000;
}
