// What a comparison says of two pictures.

import assert from "node:assert/strict";
import test from "node:test";
import { loadAppModule } from "./app-module.mjs";

const { differencesOf } = await loadAppModule("differences");
const { subjectOf } = await loadAppModule("entry");

const entry = {
  time: 0, model: "m 1", backend: "cpu", solverSteps: 10, timings: { text: 1, steps: [1], decode: 1, total: 3 },
  settings: { prompt: "a red apple", negativePrompt: "", style: "", steps: 10, guidanceScale: 4, seed: 7, solver: "dpmpp-2m", schedule: "karras" },
};
const other = (settings, rest = {}) => ({ ...entry, ...rest, settings: { ...entry.settings, ...settings } });

test("pictures of the same settings differ in nothing, however long they took", () => {
  assert.deepEqual(differencesOf(entry, { ...entry, time: 99, timings: { text: 9, steps: [9], decode: 9, total: 99 } }), []);
});

test("what differs is named as the form names it, in its words", () => {
  assert.deepEqual(differencesOf(entry, other({ seed: 8, style: "noto", solver: "euler-a", negativePrompt: "blue" })), [
    { name: "Leave out", left: "none", right: "blue" },
    { name: "Style", left: "any", right: "Noto" },
    { name: "Seed", left: "7", right: "8" },
    { name: "Solver", left: "DPM-Solver++ 2M", right: "Euler, ancestral" },
  ]);
});

test("each setting counts, and so do model and backend", () => {
  const changes = { prompt: "x", negativePrompt: "x", style: "x", steps: 3, guidanceScale: 3, seed: 3, solver: "x", schedule: "x" };
  for (const [name, value] of Object.entries(changes)) assert.equal(differencesOf(entry, other({ [name]: value })).length, 1, name);
  assert.deepEqual(differencesOf(entry, { ...entry, model: "m 2", backend: "webgpu" }).map(({ name }) => name), ["Model", "Made on"]);
});

test("a subject is cut between letters, and an empty prompt has words of its own", () => {
  assert.equal(subjectOf({ prompt: "🍎🍎🍎" }, 2), "🍎🍎…");
  assert.equal(subjectOf({ prompt: "  \n" }), "No prompt");
});
