// The page's parts that need no page: links, file names, errors in words.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import test from "node:test";
import { loadAppModule } from "./app-module.mjs";

globalThis.location = { origin: "https://example.org", pathname: "/tenstep/" };
const { addressFromSettings, linkFromQuery } = await loadAppModule("link");
const { fileName } = await loadAppModule("file-name");
const { seedFromText } = await loadAppModule("seed");
const { isAbort, troubleFromError } = await loadAppModule("troubles");

const settings = {
  prompt: "a red apple", negativePrompt: "", style: "", steps: 10, guidanceScale: 4, seed: 7, solver: "ddim", schedule: "karras",
};

test("a link carries every setting", () => {
  const rich = { ...settings, prompt: "100% 🍎 & 🐱?\n#1+1=2", negativePrompt: "blue=green", style: "noto", guidanceScale: 2.5, seed: 2 ** 53 - 1 };
  assert.deepEqual(linkFromQuery(new URL(addressFromSettings(rich)).search), rich);
});

test("the empty prompt is a prompt, and none is none", () => {
  assert.equal(linkFromQuery(new URL(addressFromSettings({ ...settings, prompt: "" })).search).prompt, "");
  assert.equal("prompt" in linkFromQuery("?seed=1"), false);
});

test("what a link asks for and nobody can do is left out", () => {
  const bad = "?steps=0&guidance=-1&seed=1.5&backend=quantum";
  assert.deepEqual(linkFromQuery(bad), {});
  for (const steps of ["1.5", "1001", "", "ten", "1e9"]) assert.deepEqual(linkFromQuery(`?steps=${steps}`), {}, steps);
  for (const guidance of ["NaN", "101", "Infinity", ""]) assert.deepEqual(linkFromQuery(`?guidance=${guidance}`), {}, guidance);
  assert.deepEqual(linkFromQuery("?backend=cpu&guidance=0"), { backend: "cpu", guidanceScale: 0 });
});

test("seeds are whole numbers that a number holds exactly", () => {
  assert.equal(seedFromText(" 7 "), 7);
  assert.equal(seedFromText("0"), 0);
  assert.equal(seedFromText("9007199254740991"), 2 ** 53 - 1);
  for (const text of ["", "-1", "1.5", "1e3", "0x10", "9007199254740992", "seven", "٧"]) assert.equal(seedFromText(text), null, text);
});

test("a file's name is made of the prompt's words, whatever their script", () => {
  const named = (prompt) => fileName({ ...settings, prompt });
  assert.equal(named("A red apple!"), "a-red-apple-7.png");
  assert.equal(named("../../etc/passwd\0"), "etc-passwd-7.png");
  assert.equal(named("ein grüner Baum"), "ein-grüner-baum-7.png");
  assert.equal(named("赤いりんご 🍎"), "赤いりんご-7.png");
  assert.equal(named(""), "tenstep-7.png");
  assert.equal(named("🍎"), "tenstep-7.png");
  assert.ok([...named("w".repeat(500))].length < 70);
});

test("anything thrown becomes a sentence with advice", () => {
  const typed = Object.assign(new Error("steps must be an integer from 1 to 1000, not 0"), { code: "invalid-option" });
  assert.deepEqual(troubleFromError(typed), {
    message: "Steps must be an integer from 1 to 1000, not 0.",
    advice: "Change that setting and try again.",
    code: "invalid-option",
    helpsCpu: false,
  });
  for (const thrown of ["text", 7, null, undefined, {}, new Error("")]) {
    const { message, advice } = troubleFromError(thrown);
    assert.match(message, /\.$/, String(thrown));
    assert.match(advice, /Try again/);
  }
});

test("every code that a page can meet has advice of its own, and GPU failures a way out", async () => {
  const errors = await readFile(new URL("../../../www/lib/errors.ts", import.meta.url), "utf8");
  const codes = [...errors.matchAll(/^ {2}\| "([a-z-]+)"/gm)].map((match) => match[1]);
  assert.ok(codes.length > 15);
  const usual = troubleFromError(new Error("x")).advice;
  assert.deepEqual(codes.filter((code) => troubleFromError({ message: "x", code }).advice === usual), []);
  assert.equal(troubleFromError({ message: "x", code: "device-lost" }).helpsCpu, true);
  assert.equal(troubleFromError({ message: "x", code: "fetch-failed" }).helpsCpu, false);
});

test("only an AbortError is one", () => {
  assert.equal(isAbort(new DOMException("stop", "AbortError")), true);
  assert.equal(isAbort(new DOMException("late", "TimeoutError")), false);
  assert.equal(isAbort(undefined), false);
});
