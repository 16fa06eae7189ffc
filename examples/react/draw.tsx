import { useRef, useState, type FormEvent } from "react";
import { useTenstep } from "tenstep/react";

export function Draw() {
  const { status, progress, error, generate } = useTenstep({ manifest: "/models/default/manifest.json" });
  const [prompt, setPrompt] = useState("a red apple");
  const [message, setMessage] = useState("");
  const canvas = useRef<HTMLCanvasElement>(null);

  async function draw(event: FormEvent) {
    event.preventDefault();
    try {
      const { image, timings } = await generate({
        prompt,
        onStep: ({ step, steps }) => setMessage(`Step ${step} of ${steps}`),
      });
      Object.assign(canvas.current!, { width: image.width, height: image.height });
      canvas.current!.getContext("2d")!.putImageData(image, 0, 0);
      setMessage(`Made in ${Math.round(timings.total)} ms`);
    } catch (cause) {
      setMessage(`Failed: ${(cause as Error).message}`);
    }
  }

  const loading = `Loading: ${progress?.loadedBytes ?? 0} of ${progress?.totalBytes ?? 0} bytes`;
  return (
    <>
      <form onSubmit={draw}>
        <label>
          Prompt <input value={prompt} onChange={(event) => setPrompt(event.target.value)} />
        </label>
        <button disabled={status === "failed"}>Draw</button>
      </form>
      <p role="status">{error ? `Failed: ${error.message}` : status === "loading" ? loading : message}</p>
      <canvas ref={canvas} />
    </>
  );
}
