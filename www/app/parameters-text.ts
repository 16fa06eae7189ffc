// Settings in the wording that people know from Stable Diffusion WebUI: the prompt, "Negative prompt: …", then one line of
// "Steps: 10, Sampler: DPM++ 2M, …".

import { seedFromText } from "./seed.js";
import type { Settings } from "./settings.js";
import { checkedSettings } from "./settings-check.js";

const SAMPLERS: Record<string, string> = {
  "dpmpp-2m": "DPM++ 2M",
  "dpmpp-2m-sde": "DPM++ 2M SDE",
  "dpmpp-3m-sde": "DPM++ 3M SDE",
  "dpmpp-sde": "DPM++ SDE",
  "dpmpp-2s-a": "DPM++ 2S a",
  dpm2: "DPM2",
  "dpm2-a": "DPM2 a",
  "dpm-fast": "DPM fast",
  "dpm-adaptive": "DPM adaptive",
  euler: "Euler",
  "euler-a": "Euler a",
  heun: "Heun",
  lms: "LMS",
  ddim: "DDIM",
  plms: "PLMS",
  unipc: "UniPC",
  lcm: "LCM",
};
const SCHEDULES: Record<string, string> = {
  karras: "Karras",
  exponential: "Exponential",
  sgm_uniform: "SGM Uniform",
  ddim_uniform: "DDIM",
  simple: "Simple",
  normal: "Normal",
  beta: "Beta",
};
const NEGATIVE = "Negative prompt: ";

export interface PictureFacts {
  width: number;
  height: number;
  /** Name and revision. */
  model: string;
}

/** The parameters of a picture, as other programs read them. */
export function parametersText(settings: Settings, { width, height, model }: PictureFacts): string {
  const { prompt, negativePrompt, style, steps, guidanceScale, seed, solver, schedule } = settings;
  const facts: [string, string | number][] = [
    ["Steps", steps],
    ["Sampler", SAMPLERS[solver] ?? solver],
    ["Schedule type", SCHEDULES[schedule] ?? schedule],
    ["CFG scale", guidanceScale],
    ["Seed", seed],
    ["Size", `${width}x${height}`],
    ["Model", model],
  ];
  if (style) facts.push(["Style", style]);
  const lines = [prompt, ...(negativePrompt ? [NEGATIVE + negativePrompt] : []), facts.map(([name, value]) => `${name}: ${value}`).join(", ")];
  return lines.join("\n");
}

/** The settings in such a text, of this program or another; `null` where it is none. */
export function settingsFromParameters(text: string): Partial<Settings> | null {
  const lines = text.trimEnd().split("\n");
  const last = lines.pop() ?? "";
  if (!/^Steps: \d+, /.test(last)) return null;
  const facts = new Map([...last.matchAll(/([A-Z][\w ]*): ("[^"]*"|[^,]*)/g)].map(([, name, value]) => [name, (value as string).trim()]));
  const negative = lines.findIndex((line) => line.startsWith(NEGATIVE));
  const [prompts, negatives] = negative < 0 ? [lines, []] : [lines.slice(0, negative), lines.slice(negative)];
  const { solver, schedule } = namesFrom(facts.get("Sampler") ?? "", facts.get("Schedule type") ?? "");
  return checkedSettings({
    prompt: prompts.join("\n"),
    negativePrompt: negatives.join("\n").slice(NEGATIVE.length),
    style: facts.get("Style") ?? "",
    steps: Number(facts.get("Steps")),
    guidanceScale: Number(facts.get("CFG scale") ?? NaN),
    seed: seedFromText(facts.get("Seed") ?? ""),
    ...(solver && { solver }),
    ...(schedule && { schedule }),
  });
}

/** Older files name both at once: "DPM++ 2M Karras". */
function namesFrom(sampler: string, scheduleType: string): { solver: string; schedule: string } {
  const short = (name: string) => name.toLowerCase().replace("++", "pp").replace(/[ _]/g, "-");
  const implied = /^(.*) (Karras|Exponential)$/i.exec(sampler);
  const schedule = scheduleType || implied?.[2] || "";
  const listed = Object.entries(SCHEDULES).find(([, known]) => known.toLowerCase() === schedule.toLowerCase());
  return { solver: short(implied?.[1] ?? sampler), schedule: listed?.[0] ?? schedule.toLowerCase().replaceAll(" ", "_") };
}
