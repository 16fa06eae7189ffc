// A program in strict TypeScript that uses every entry point. It is compiled, not run.

import { Run, Tenstep, TenstepError, type LoadProgress, type Picture, type StepReport, type TenstepErrorCode } from "tenstep";
import { defineTenstepImage, type TenstepImageElement } from "tenstep/element";
import { useTenstep } from "tenstep/react";

export async function draw(canvas: HTMLCanvasElement, signal: AbortSignal): Promise<TenstepErrorCode | null> {
  try {
    const onProgress = ({ phase, loadedBytes, totalBytes }: LoadProgress) => console.log(phase, loadedBytes / totalBytes);
    const tenstep = await Tenstep.load({ manifest: new URL("https://example.org/manifest.json"), backend: "cpu", onProgress, signal });
    const onStep = ({ step, preview }: StepReport) => console.log(step, preview?.width);
    const picture: Picture = await tenstep.generate({ prompt: "a", solverOptions: { eta: 1 }, onStep, signal });
    canvas.getContext("2d")?.putImageData(picture.image, 0, 0);
    const run: Run = await tenstep.start({ seed: 1 });
    const latents: Float32Array = await run.latents();
    console.log(latents.length, run.done, tenstep.backend.reason, tenstep.model.styles.join());
    await tenstep.dispose();
    return null;
  } catch (error) {
    return error instanceof TenstepError ? error.code : null;
  }
}

export function element(): Picture | null {
  defineTenstepImage();
  const image: TenstepImageElement | null = document.querySelector("tenstep-image");
  return image?.picture ?? null;
}

export function Status() {
  const { status, progress, error, tenstep, generate, retry } = useTenstep({ manifest: "/manifest.json" });
  const draw = () => void generate({ prompt: "a red apple" }).then(({ seed }) => console.log(seed));
  return (
    <button onClick={status === "failed" ? retry : draw}>
      {status} {progress?.loadedBytes} {error?.message} {tenstep?.model.name}
    </button>
  );
}
