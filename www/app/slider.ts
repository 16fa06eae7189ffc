// A slider that shows its value beside its label.

export class Slider {
  #input: HTMLInputElement;
  #output: HTMLElement;
  #words: (value: string) => string;
  /** Whether a person moved it: perhaps before the model had arrived with its own idea. */
  #isMoved = false;

  constructor(input: HTMLInputElement, output: HTMLElement, words = (value: string) => value) {
    this.#input = input;
    this.#output = output;
    this.#words = words;
    input.addEventListener("input", () => {
      this.#isMoved = true;
      this.#show();
    });
    this.#show();
  }

  get value(): number {
    return this.#input.valueAsNumber;
  }

  /** Moves to `value` unless a person moved it. */
  offer(value: number): void {
    if (!this.#isMoved) this.#moveTo(value);
  }

  /** Moves to `value`, which a person asked for. */
  set(value: number): void {
    this.#isMoved = true;
    this.#moveTo(value);
  }

  /** Its end moves as well where more is asked for than the page would offer, and its steps go where they would round. */
  #moveTo(value: number): void {
    this.#input.max = String(Math.max(Number(this.#input.max), value));
    this.#input.value = String(value);
    if (this.value !== value) {
      this.#input.step = "any";
      this.#input.value = String(value);
    }
    this.#show();
  }

  #show(): void {
    const words = this.#words(this.#input.value);
    this.#output.textContent = words;
    this.#input.setAttribute("aria-valuetext", words);
  }
}
