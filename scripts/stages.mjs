// Runs named stages one after the other, times each, and prints the table at the end.

export class Stages {
  #rows = [];

  /** Runs one stage. Gives what it gives, or undefined when it failed; later stages still run. */
  async run(name, work) {
    console.log(`\n== ${name}`);
    const began = performance.now();
    let failure = null;
    let value;
    try {
      value = await work();
    } catch (error) {
      failure = error;
      console.error(`!! ${error.message}`);
    }
    this.#rows.push({ name, seconds: (performance.now() - began) / 1000, failure });
    return value;
  }

  /** Prints one line a stage and gives whether all went well. */
  report() {
    const total = this.#rows.reduce((sum, row) => sum + row.seconds, 0);
    const width = Math.max(...this.#rows.map((row) => row.name.length), 5);
    const line = (name, seconds, note) => console.log(`${name.padEnd(width)}  ${seconds.toFixed(1).padStart(7)} s  ${note}`);
    console.log("\nStage times");
    for (const { name, seconds, failure } of this.#rows) line(name, seconds, failure ? `FAILED: ${failure.message}` : "passed");
    line("total", total, "");
    return this.#rows.every((row) => !row.failure);
  }
}
