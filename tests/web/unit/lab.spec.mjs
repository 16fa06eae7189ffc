// The laboratory's parts that need no page: budgets, distances, axes, methods, files.

import assert from "node:assert/strict";
import test from "node:test";
import { loadAppModule } from "./app-module.mjs";

const { budgetsFromText } = await loadAppModule("lab/budgets");
const { distanceText, rmsDistance } = await loadAppModule("lab/distance");
const { logPosition, logScale, logTicks } = await loadAppModule("lab/log-scale");
const { drawsNoise, inOrder, referenceEvaluations } = await loadAppModule("lab/methods");
const { csvFromComparison, jsonFromComparison } = await loadAppModule("lab/export");

test("budgets come in rising order, each once, however they are separated", () => {
  assert.deepEqual(budgetsFromText("5, 8, 10, 20"), [5, 8, 10, 20]);
  assert.deepEqual(budgetsFromText(" 20;5 8,8,\n1,200 "), [1, 5, 8, 20, 200]);
});

test("what is no budget is refused", () => {
  for (const text of ["", " , ", "0", "201", "5.5", "-5", "5, ten", "1e2", "0x10", "٥"]) assert.equal(budgetsFromText(text), null, text);
});

test("the distance is the root of the mean square", () => {
  assert.equal(rmsDistance(new Float32Array([1, 2, 3, 4]), new Float32Array([1, 2, 3, 4])), 0);
  assert.equal(rmsDistance(new Float32Array([0, 0, 0, 0]), new Float32Array([3, -3, 3, -3])), 3);
  assert.equal(rmsDistance(new Float32Array([0, 0]), new Float32Array([6, 8])), Math.sqrt(50));
  assert.throws(() => rmsDistance(new Float32Array(2), new Float32Array(3)), RangeError);
});

test("distances have three digits that count", () => {
  const texts = [0, 0.123456, 1.5, 12.3456, 0.00123456, 0.000123456].map(distanceText);
  assert.deepEqual(texts, ["0.00", "0.123", "1.50", "12.3", "0.00123", "0.000123"]);
});

test("an axis spans its values with room, and a single value as well", () => {
  const scale = logScale([5, 20, 10]);
  assert.ok(scale.low < 5 && scale.low > 4 && scale.high > 20 && scale.high < 24, JSON.stringify(scale));
  assert.ok(Math.abs(logPosition(scale, 10) - 0.5) < 1e-12, "the middle of 5 and 20 is 10");
  const single = logScale([7]);
  assert.ok(Math.abs(logPosition(single, 7) - 0.5) < 1e-12);
  assert.ok(Math.abs(single.high / single.low - 2) < 1e-12);
});

test("ticks are round, within the axis, and few over many decades", () => {
  assert.deepEqual(logTicks({ low: 4, high: 22 }), [5, 10, 20]);
  assert.deepEqual(logTicks({ low: 0.009, high: 0.3 }), [0.01, 0.02, 0.05, 0.1, 0.2]);
  assert.deepEqual(logTicks({ low: 3.8, high: 8.4 }), [4, 5, 6, 7, 8]);
  assert.deepEqual(logTicks({ low: 1.9, high: 3.8 }), [2, 3]);
  assert.deepEqual(logTicks({ low: 0.00009, high: 0.1 }), [0.0001, 0.001, 0.01, 0.1]);
});

test("methods that draw fresh noise are told by their names", () => {
  const noisy = ["euler-a", "dpm2-a", "dpmpp-2s-a", "dpmpp-2m-sde", "dpmpp-3m-sde", "ddpm", "sa-solver", "lcm", "tcd", "consistency"];
  const steady = ["ddim", "euler", "heun", "dpmpp-2m", "dpmpp-3s", "unipc", "deis-tab", "plms", "pndm", "lms"];
  assert.deepEqual([...steady, ...noisy].filter(drawsNoise), noisy);
});

test("the usual methods are offered first, those with fresh noise last", () => {
  assert.deepEqual(inOrder(["dpmpp-2m", "lms", "ddpm", "heun", "euler"]), ["dpmpp-2m", "heun", "lms", "euler", "ddpm"]);
});

test("the converged solution has twice the evaluations of any other", () => {
  assert.equal(referenceEvaluations([5, 20]), 100);
  assert.equal(referenceEvaluations([5, 200]), 400);
});

const comparison = {
  settings: { prompt: 'a "red", round\napple', style: "", schedule: "karras", guidanceScale: 2.5, seed: 2 ** 53 - 1 },
  methods: ["ddim", "pndm"],
  budgets: [8],
  model: { name: "tenstep-default", revision: "abc" },
  backend: { backend: "cpu", device: "flex" },
  reference: { method: "dpmpp-3m", evaluations: 100 },
  cells: [
    { method: "ddim", evaluationsAsked: 8, evaluationsDone: 8, milliseconds: 512.25, distance: 0.1 + 0.2, error: "" },
    { method: "pndm", evaluationsAsked: 8, evaluationsDone: 0, milliseconds: null, distance: null, error: "steps must be at least 13, not 8" },
  ],
};

test("CSV has a row a cell, numbers in full, and quotes where text needs them", () => {
  const same = '"a ""red"", round\napple",,9007199254740991,2.5,karras,tenstep-default,abc,cpu,flex,dpmpp-3m,100';
  assert.equal(
    csvFromComparison(comparison),
    "prompt,style,seed,guidance,schedule,model,revision,backend,device,reference_method,reference_evaluations," +
      "method,evaluations_asked,evaluations_done,milliseconds,distance,error\r\n" +
      `${same},ddim,8,8,512.25,0.30000000000000004,\r\n` +
      `${same},pndm,8,0,,,"steps must be at least 13, not 8"\r\n`,
  );
});

test("JSON has the same", () => {
  const { settings, model, backend, reference, cells } = comparison;
  assert.deepEqual(JSON.parse(jsonFromComparison(comparison)), { ...settings, model, backend, reference, cells });
});
