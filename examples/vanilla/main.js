import { Tenstep } from "tenstep";

const form = document.querySelector("form");
const button = document.querySelector("button");
const status = document.querySelector("[role=status]");
const canvas = document.querySelector("canvas");

const loading = Tenstep.load({
  manifest: "/models/default/manifest.json",
  onProgress: ({ phase, loadedBytes, totalBytes }) => {
    status.textContent = `Loading (${phase}): ${loadedBytes} of ${totalBytes} bytes`;
  },
});

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  button.disabled = true;
  try {
    const tenstep = await loading;
    const { image, timings } = await tenstep.generate({
      prompt: new FormData(form).get("prompt"),
      onStep: ({ step, steps }) => (status.textContent = `Step ${step} of ${steps}`),
    });
    canvas.width = image.width;
    canvas.height = image.height;
    canvas.getContext("2d").putImageData(image, 0, 0);
    status.textContent = `Made in ${Math.round(timings.total)} ms`;
  } catch (error) {
    status.textContent = `Failed: ${error.message}`;
  }
  button.disabled = false;
});

button.disabled = false;
