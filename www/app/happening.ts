// What is happening: how long each part of loading took and how much it fetched, then each evaluation of the network as a
// bar. While a picture is made the bars are as long as this page waited; afterwards the engine's own times take their place.

import type { LoadProgress } from "tenstep";
import { bytesText } from "./bytes.js";
import { durationText } from "./duration.js";
import { elements } from "./elements.js";
import type { Entry } from "./entry.js";
import { showFacts } from "./facts.js";

const { evaluations, evaluationsCaption, happening, happeningEmpty, loadPhases, picturePhases } = elements;

const PHASES: Record<string, string> = { engine: "Engine", download: "Model", compile: "Pipelines" };

interface Phase {
  name: string;
  began: number;
  ended?: number;
  /** Received in all when it began, and by now. */
  bytesBefore: number;
  bytes: number;
}

let phases: Phase[] = [];
/** Of the evaluations so far, in milliseconds. */
let times: number[] = [];
/** How many there will be. */
let evaluationsInAll = 0;
let lastStep = 0;
let isWaiting = false;

happening.addEventListener("toggle", () => drawSoon());

/** A load begins: what an earlier one took is forgotten. */
export function beginLoad(): void {
  phases = [];
}

/** Notes a load's progress. */
export function noteLoad({ phase, loadedBytes }: LoadProgress): void {
  const now = performance.now();
  let current = phases.at(-1);
  if (current?.name !== phase) {
    if (current) current.ended = now;
    current = { name: phase, began: now, bytesBefore: current?.bytes ?? 0, bytes: 0 };
    phases.push(current);
  }
  current.bytes = loadedBytes;
  showPhases(now);
}

/** The load is over. */
export function endLoad(): void {
  const now = performance.now();
  const last = phases.at(-1);
  if (last) last.ended ??= now;
  showPhases(now);
}

function showPhases(now: number): void {
  happeningEmpty.hidden = true;
  const facts = phases.map(({ name, began, ended, bytesBefore, bytes }) => {
    const size = bytes > bytesBefore ? `${bytesText(bytes - bytesBefore)}, ` : "";
    return [PHASES[name] ?? name, `${size}${durationText((ended ?? now) - began)}${ended === undefined ? " so far" : ""}`] as const;
  });
  showFacts(loadPhases, facts);
}

/** Shows a finished picture's times, or makes room for those of one that begins. */
export function happeningOf(entry: Entry | null): void {
  lastStep = performance.now();
  times = [...(entry?.timings.steps ?? [])];
  evaluationsInAll = times.length;
  drawSoon();
  if (entry === null) return showFacts(picturePhases, []);
  const { text, steps, decode, total } = entry.timings;
  happeningEmpty.hidden = true;
  showFacts(picturePhases, [
    ["Text", durationText(text)],
    [`${steps.length} evaluations`, durationText(steps.reduce((sum, milliseconds) => sum + milliseconds, 0))],
    ["Picture from latents", durationText(decode)],
    ["In all", durationText(total)],
  ]);
}

/** An evaluation is done. */
export function showEvaluation(step: number, steps: number): void {
  const now = performance.now();
  times[step - 1] = now - lastStep;
  evaluationsInAll = steps;
  lastStep = now;
  drawSoon();
}

/** Bars are drawn once a frame, and only for somebody who looks. */
function drawSoon(): void {
  if (isWaiting || !happening.open) return;
  isWaiting = true;
  requestAnimationFrame(() => {
    isWaiting = false;
    drawBars();
  });
}

function drawBars(): void {
  evaluations.hidden = evaluationsCaption.hidden = times.length === 0;
  const longest = Math.max(...times, 0);
  evaluationsCaption.textContent = `Evaluations: ${times.length} of ${evaluationsInAll}, the longest ${durationText(longest)}`;
  evaluations.replaceChildren(
    ...Array.from(times, (milliseconds = 0, index) => {
      const bar = document.createElement("li");
      const words = `${index + 1}: ${durationText(milliseconds)}`;
      bar.style.setProperty("--height", `${longest > 0 ? (100 * milliseconds) / longest : 0}%`);
      bar.title = words;
      bar.append(Object.assign(document.createElement("span"), { className: "visually-hidden", textContent: words }));
      return bar;
    }),
  );
}
