"use client";

import { useRef, useState } from "react";
import { useTenstep } from "tenstep/react";

export function Draw() {
  const { generate } = useTenstep({ manifest: "/models/default/manifest.json" });
  const [message, setMessage] = useState("");
  const canvas = useRef(null);

  async function draw() {
    try {
      const { image, timings } = await generate({ prompt: "a red apple" });
      Object.assign(canvas.current, { width: image.width, height: image.height });
      canvas.current.getContext("2d").putImageData(image, 0, 0);
      setMessage(`Made in ${Math.round(timings.total)} ms`);
    } catch (error) {
      setMessage(`Failed: ${error.message}`);
    }
  }

  return (
    <>
      <button onClick={draw}>Draw a red apple</button>
      <p role="status">{message}</p>
      <canvas ref={canvas} />
    </>
  );
}
