// Settings inside a PNG: what the page writes it reads again, and hostile files end in a sentence, soon and with no memory taken.

import assert from "node:assert/strict";
import test from "node:test";
import { deflateSync } from "node:zlib";
import { loadAppModule } from "./app-module.mjs";

const { chunksFromPng, crc32, pngFromChunks } = await loadAppModule("png-chunks");
const { textsFromPng, withTexts } = await loadAppModule("png-text");
const { pngWithSettings, settingsFromFile } = await loadAppModule("png-settings");
const { parametersText, settingsFromParameters } = await loadAppModule("parameters-text");

const settings = {
  prompt: "a red apple", negativePrompt: "", style: "", steps: 10, guidanceScale: 4, seed: 7, solver: "dpmpp-2m", schedule: "karras",
};
const facts = { width: 64, height: 64, model: "tenstep-default ddb19bf5b70e" };

/** One red pixel. */
function redPixel() {
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type, "latin1"), data]);
    const ends = Buffer.alloc(8);
    ends.writeUInt32BE(data.length, 0);
    ends.writeUInt32BE(crc32(body), 4);
    return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
  };
  const header = Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0]);
  const signature = Buffer.from([137, 80, 78, 71, 13, 10, 26, 10]);
  const parts = [signature, chunk("IHDR", header), chunk("IDAT", deflateSync(Buffer.from([0, 255, 0, 0]))), chunk("IEND", Buffer.alloc(0))];
  return Uint8Array.from(Buffer.concat(parts));
}
const file = (bytes) => new Blob([bytes]);
const changed = (change) => {
  const bytes = redPixel();
  change(bytes, new DataView(bytes.buffer));
  return bytes;
};

test("the CRC is that of the PNG specification", () => {
  assert.equal(crc32(Buffer.from("IEND")), 0xae426082);
  assert.equal(crc32(Buffer.from("123456789")), 0xcbf43926);
  assert.equal(crc32(new Uint8Array()), 0);
});

test("a file taken apart and put together is the same, and texts stand after the header", () => {
  const png = redPixel();
  assert.deepEqual(pngFromChunks(chunksFromPng(png)), png);
  const with2 = withTexts(png, { parameters: "Ä\nb", tenstep: "赤" });
  assert.deepEqual(chunksFromPng(with2).map(({ type }) => type), ["IHDR", "tEXt", "iTXt", "IDAT", "IEND"]);
  assert.deepEqual([...textsFromPng(with2)], [["parameters", "Ä\nb"], ["tenstep", "赤"]]);
  const again = withTexts(with2, { parameters: "c" });
  assert.deepEqual([...textsFromPng(again)], [["parameters", "c"], ["tenstep", "赤"]], "the new text takes the old one's place");
});

test("every setting comes back from a picture", async () => {
  const rich = {
    ...settings, prompt: "100% 🍎, Steps: 3, \"x\"\nNegative or not", negativePrompt: "blue\ngreen: 1, 2", style: "noto", guidanceScale: 2.75,
    seed: 2 ** 53 - 1, steps: 1000, solver: "euler-a",
  };
  for (const wanted of [settings, rich]) assert.deepEqual(await settingsFromFile(await pngWithSettings(file(redPixel()), wanted, facts)), wanted);
});

test("the parameters are in the wording that other programs read", () => {
  assert.equal(
    parametersText({ ...settings, negativePrompt: "blurry" }, facts),
    "a red apple\nNegative prompt: blurry\nSteps: 10, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 4, Seed: 7, Size: 64x64, " +
      "Model: tenstep-default ddb19bf5b70e",
  );
});

test("the parameters alone give the settings back, and those of another program what this one knows", async () => {
  for (const solver of ["dpmpp-2m", "euler-a", "dpmpp-2s-a", "unipc", "deis-tab", "ddim"]) {
    for (const schedule of ["karras", "sgm_uniform", "trailing"]) {
      const wanted = { ...settings, solver, schedule, negativePrompt: "a, b: c", style: "noto" };
      assert.deepEqual(settingsFromParameters(parametersText(wanted, facts)), wanted);
    }
  }
  const foreign = 'a cat\nNegative prompt: dog\nSteps: 20, Sampler: DPM++ 2M SDE Karras, CFG scale: 7.5, Seed: 42, Size: 512x512, Lora hashes: "a: b, c: d"';
  assert.deepEqual(settingsFromParameters(foreign), {
    prompt: "a cat", negativePrompt: "dog", style: "", steps: 20, guidanceScale: 7.5, seed: 42, solver: "dpmpp-2m-sde", schedule: "karras",
  });
  assert.deepEqual(await settingsFromFile(file(withTexts(redPixel(), { parameters: foreign }))), settingsFromParameters(foreign));
  for (const none of ["", "a cat", "Steps: many, Sampler: x", "{}"]) assert.equal(settingsFromParameters(none), null, none);
});

test("values that nobody could ask for are left out", async () => {
  const bad = { prompt: 7, steps: 1e9, seed: -1, guidanceScale: "4", solver: null, style: "x".repeat(1e5), schedule: "karras", __proto__: { steps: 5 } };
  const png = withTexts(redPixel(), { tenstep: JSON.stringify({ settings: bad }) });
  assert.deepEqual(await settingsFromFile(file(png)), { schedule: "karras" });
});

test("what is damaged is named, and nothing is read from it", async () => {
  const cases = {
    "another kind of file": [Uint8Array.from(Buffer.from("GIF89a, more or less")), /not a PNG/],
    "an empty file": [new Uint8Array(), /not a PNG/],
    "only the signature": [redPixel().subarray(0, 8), /cut short/],
    "a length of 4 GiB": [changed((_, view) => view.setUint32(8, 0xffffffff)), /cut short, or damaged: its part IHDR/],
    "a length one too long": [changed((_, view) => view.setUint32(8, 14)), /damaged/],
    "a changed byte": [changed((bytes) => (bytes[17] ^= 1)), /its part IHDR was changed/],
    "a changed CRC": [changed((bytes) => (bytes[bytes.length - 1] ^= 1)), /its part IEND was changed/],
    "a name of other bytes": [changed((bytes) => (bytes[12] = 0)), /no proper name/],
    "no end": [redPixel().subarray(0, -12), /cut short/],
    "no header": [pngFromChunks(chunksFromPng(redPixel()).slice(1)), /out of order/],
    "two headers": [pngFromChunks([chunksFromPng(redPixel())[0], ...chunksFromPng(redPixel())]), /out of order/],
    "no settings": [redPixel(), /carries no settings/],
    "settings that are no JSON": [withTexts(redPixel(), { tenstep: "{" }), /carries no settings/],
    "settings that are a number": [withTexts(redPixel(), { tenstep: "7" }), /carries no settings/],
    "a text with no keyword": [pngFromChunks(chunksFromPng(redPixel()).flatMap((chunk, index) => (index === 0 ? [chunk, { type: "tEXt", data: new Uint8Array(9) }] : [chunk]))), /carries no settings/],
  };
  for (const [name, [bytes, message]] of Object.entries(cases)) await assert.rejects(settingsFromFile(file(bytes)), message, name);
});

test("a file cut at any byte, or with any byte changed, is refused or read, never worse", async () => {
  const png = new Uint8Array(await (await pngWithSettings(file(redPixel()), settings, facts)).arrayBuffer());
  for (let length = 0; length < png.length; length++) await assert.rejects(settingsFromFile(file(png.subarray(0, length))), { message: /PNG|cut short/ });
  for (let at = 0; at < png.length; at++) {
    const bytes = png.slice();
    bytes[at] ^= 0x41;
    await assert.rejects(settingsFromFile(file(bytes)), { message: /not a PNG|cut short|damaged/ }, `byte ${at}`);
  }
});

test("a huge file is refused by its size, unread", async () => {
  let reads = 0;
  const huge = {
    size: 2 ** 40,
    slice: (start, end) => file(redPixel()).slice(start, end),
    arrayBuffer: () => void reads++,
  };
  await assert.rejects(settingsFromFile(huge), { message: /1048576 MiB; at most 16 MiB/ });
  assert.equal(reads, 0);
});

test("a text beyond what settings need is left out", async () => {
  const long = withTexts(redPixel(), { tenstep: JSON.stringify({ settings, padding: "x".repeat(300_000) }) });
  await assert.rejects(settingsFromFile(file(long)), { message: /carries no settings/ });
});

test("texts with broken separators are left out", () => {
  const [header, ...rest] = chunksFromPng(redPixel());
  const bytes = (text) => Uint8Array.from(Buffer.from(text, "latin1"));
  for (const data of ["tenstep", "\0{}", "tenstep\0\0", "tenstep\0\0\0en", "tenstep\0\0\0en\0x", "tenstep\0\x01\0\0\0{}", `${"k".repeat(80)}\0\0\0\0\0{}`]) {
    assert.equal(textsFromPng(pngFromChunks([header, { type: "iTXt", data: bytes(data) }, ...rest])).size, 0, JSON.stringify(data));
  }
});
