// A picture's settings inside its PNG: under "parameters" as other programs write and read them, under "tenstep" exactly.

import { MAX_PNG_BYTES, isPng, PngError } from "./png-chunks.js";
import { textsFromPng, withTexts } from "./png-text.js";
import { parametersText, settingsFromParameters, type PictureFacts } from "./parameters-text.js";
import type { Settings } from "./settings.js";
import { checkedSettings } from "./settings-check.js";

/** The PNG with `settings` in it. */
export async function pngWithSettings(png: Blob, settings: Settings, facts: PictureFacts): Promise<Blob> {
  const bytes = new Uint8Array(await png.arrayBuffer());
  const texts = { parameters: parametersText(settings, facts), tenstep: JSON.stringify({ version: 1, settings, model: facts.model }) };
  return new Blob([withTexts(bytes, texts)], { type: "image/png" });
}

/**
 * The settings that a file carries. Its size and its first bytes are looked at before the rest is read.
 *
 * @throws PngError with a sentence for people where there are none.
 */
export async function settingsFromFile(file: Blob): Promise<Partial<Settings>> {
  if (!isPng(new Uint8Array(await file.slice(0, 8).arrayBuffer()))) throw new PngError("It is not a PNG.");
  if (file.size > MAX_PNG_BYTES) {
    throw new PngError(`It holds ${(file.size / 2 ** 20).toFixed(0)} MiB; at most ${MAX_PNG_BYTES / 2 ** 20} MiB are read.`);
  }
  const texts = textsFromPng(new Uint8Array(await file.arrayBuffer()));
  const settings = exactSettings(texts.get("tenstep")) ?? settingsFromParameters(texts.get("parameters") ?? "");
  if (settings === null || Object.keys(settings).length === 0) {
    throw new PngError("It carries no settings. Programs that edit or send pictures often remove them.");
  }
  return settings;
}

function exactSettings(text: string | undefined): Partial<Settings> | null {
  try {
    const { settings } = Object(JSON.parse(text ?? "null")) as { settings?: unknown };
    return typeof settings === "object" && settings !== null ? checkedSettings(settings) : null;
  } catch {
    return null;
  }
}
