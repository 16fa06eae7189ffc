// What samples in the documents use and do not declare: a loaded model, the address of one, the elements of a page.

import type { Tenstep as Model } from "tenstep";

declare global {
  const tenstep: Model;
  const manifest: string;
  const canvas: HTMLCanvasElement;
  const context: CanvasRenderingContext2D;
  const progress: HTMLProgressElement;
  const button: HTMLButtonElement;
  namespace JSX {
    interface IntrinsicElements {
      [name: string]: unknown;
    }
  }
}
