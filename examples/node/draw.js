// Draws in the terminal: `node draw.js "a red apple" [path or address of a manifest.json]`

import { Tenstep } from "tenstep";

const [prompt = "a red apple", manifest = "models/default/manifest.json"] = process.argv.slice(2);
const tenstep = await Tenstep.load({ manifest });
const { image, seed } = await tenstep.generate({ prompt });
await tenstep.dispose();

/** A colour of the picture over white, as the terminal takes it. */
function colour(x, y) {
  const [red, green, blue, alpha] = image.data.subarray(4 * (y * image.width + x));
  return [red, green, blue].map((value) => Math.round((value * alpha) / 255 + 255 - alpha)).join(";");
}

// Each character shows two pixels: its upper half and what is behind it.
for (let y = 0; y + 1 < image.height; y += 2) {
  let line = "";
  for (let x = 0; x < image.width; x++) line += `\x1b[38;2;${colour(x, y)}m\x1b[48;2;${colour(x, y + 1)}m▀`;
  console.log(`${line}\x1b[0m`);
}
console.log(`"${prompt}" with seed ${seed}`);
