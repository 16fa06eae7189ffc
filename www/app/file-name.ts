// What a download is called.

import type { Settings } from "./settings.js";

/** A file name from prompt and seed: `a-red-apple-7.png`. Letters of every script stay. */
export function fileName(settings: Pick<Settings, "prompt" | "seed">, extension = "png"): string {
  const words = settings.prompt.normalize("NFC").toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  const stem = [...words.join("-")].slice(0, 60).join("").replace(/-$/, "");
  return `${stem || "tenstep"}-${settings.seed}.${extension}`;
}
