// What is inside <tenstep-image>: a canvas, a progress bar, and a line of text that screen readers announce.

const STYLE = `
  :host { display: inline-block; inline-size: 16rem; max-inline-size: 100%; }
  :host([hidden]) { display: none; }
  canvas { display: block; inline-size: 100%; block-size: auto; }
  progress { display: block; inline-size: 100%; }
  p { margin: 0; }
  [hidden] { display: none; }
`;

export class PictureView {
  #canvas = make("canvas", "picture");
  #progress = make("progress", "progress");
  #status = make("p", "status");

  constructor(root: ShadowRoot) {
    // A constructed sheet is what a strict content security policy lets through.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    // Square, until a picture says its size.
    Object.assign(this.#canvas, { role: "img", width: 1, height: 1 });
    this.#status.role = "status";
    this.#progress.hidden = this.#status.hidden = true;
    root.append(this.#canvas, this.#progress, this.#status);
  }

  describe(text: string): void {
    this.#canvas.ariaLabel = text;
  }

  wait(what: string): void {
    this.#canvas.ariaBusy = "true";
    this.#progress.removeAttribute("value");
    this.#progress.ariaLabel = what;
    this.#say(what);
    this.#progress.hidden = false;
  }

  advance(done: number, all: number): void {
    if (all > 0) this.#progress.value = done / all;
  }

  draw(image: ImageData): void {
    this.#canvas.width = image.width;
    this.#canvas.height = image.height;
    this.#canvas.getContext("2d")?.putImageData(image, 0, 0);
  }

  finish(): void {
    this.#end("");
  }

  fail(message: string): void {
    this.#end(message);
  }

  #end(text: string): void {
    this.#canvas.ariaBusy = "false";
    this.#progress.hidden = true;
    this.#say(text);
  }

  #say(text: string): void {
    this.#status.textContent = text;
    this.#status.hidden = text === "";
  }
}

function make<K extends keyof HTMLElementTagNameMap>(tag: K, part: string): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.part.add(part);
  return element;
}
