// Times one guided UNet evaluation on our CPU module and on onnxruntime-web's wasm backend, one thread each, pairs in
// turn, in one headless Chromium. See README.md.

import { existsSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { cpus } from "node:os";
import { basename, extname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chromium } from "playwright-core";
import { MODULES, compileModule } from "../../scripts/build-wasm.mjs";
import { target } from "../../scripts/paths.mjs";
import { setUpWasmTarget } from "../../scripts/setup/wasm-target.mjs";

const here = fileURLToPath(new URL(".", import.meta.url));
const glue = join(target, "bench-unet");

/** Guided evaluation of the default model: with the prompt and without. */
const SHAPE = { batch: 2, size: 16, tokens: 16, channels: 4, width: 192 };
/** The most that the outputs may differ; beyond, the two do not compute the same. */
const MOST_DIFFERENCE = 1e-3;
/** The promise: our time over onnxruntime-web's. */
const MOST_RATIO = 1.5;

const { values: options } = parseArgs({
  options: {
    unet: { type: "string" },
    onnx: { type: "string" },
    pairs: { type: "string", default: "30" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    json: { type: "boolean", default: false },
    "no-build": { type: "boolean", default: false },
  },
});
const pairs = Number(options.pairs);
if (!options.unet || !options.onnx || !Number.isInteger(pairs) || pairs < 1) {
  console.error("usage: node run.mjs --unet <folder> --onnx <file> [--pairs 30] [--chromium <path>] [--no-build] [--json]");
  process.exit(2);
}

if (!options["no-build"]) await build();
const { server, origin } = await serve({
  "/": ["text/html", Buffer.from('<!doctype html><script type="module" src="/page.js"></script>')],
  "/page.js": file(join(here, "page.js")),
  "/unet/config.json": file(join(options.unet, "config.json")),
  "/unet/weights.safetensors": file(join(options.unet, "diffusion_pytorch_model.safetensors")),
  "/unet/model.onnx": file(options.onnx),
});
const browser = await chromium.launch({
  executablePath: options.chromium,
  args: ["--headless", "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.error(error.message));
  await page.goto(origin);
  await page.waitForFunction(() => "compare" in window);
  const result = await page.evaluate((request) => window.compare(request), { ...SHAPE, pairs });
  process.exitCode = report(result, browser.version());
} finally {
  await browser.close();
  server.close();
}

/** Compiles the module as the shipped one is compiled: same profile, same flags, same optimiser. */
async function build() {
  const { features: _, ...how } = MODULES.cpu;
  await compileModule(await setUpWasmTarget(), {
    cargoArguments: ["--package", "tenstep-bench-unet"],
    library: "tenstep_bench_unet", ...how, targetDir: join(target, "web-cpu"), out: glue, name: "tenstep_bench_unet",
  });
}

function file(path) {
  const types = { ".js": "text/javascript", ".mjs": "text/javascript", ".wasm": "application/wasm", ".json": "application/json" };
  return [types[extname(path)] ?? "application/octet-stream", readFileSync(path)];
}

async function serve(files) {
  const folders = { tenstep: glue, onnxruntime: join(here, "node_modules", "onnxruntime-web", "dist") };
  const server = createServer((request, response) => {
    const [, folder, name] = request.url.split("/");
    const path = folders[folder] && join(folders[folder], basename(name ?? ""));
    const found = files[request.url] ?? (path && existsSync(path) ? file(path) : undefined);
    response.writeHead(found ? 200 : 404, { "content-type": found?.[0] ?? "text/plain" }).end(found?.[1]);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { server, origin: `http://127.0.0.1:${server.address().port}/` };
}

function report({ difference, flops, times }, version) {
  const ours = median(times.tenstep);
  const theirs = median(times.onnxruntime);
  const ratio = median(times.tenstep.map((time, i) => time / times.onnxruntime[i]));
  const summary = {
    device: { processor: cpus()[0].model, cores: cpus().length, browser: `Chromium ${version}` },
    gigaflop: flops / 1e9,
    pairs,
    relativeDifference: difference,
    milliseconds: { tenstep: ours, onnxruntime: theirs },
    least: { tenstep: Math.min(...times.tenstep), onnxruntime: Math.min(...times.onnxruntime) },
    ratio,
    mostRatio: MOST_RATIO,
    passed: ratio <= MOST_RATIO && difference <= MOST_DIFFERENCE,
  };
  if (options.json) {
    console.log(JSON.stringify(summary));
  } else {
    console.log(`${summary.device.processor}, ${summary.device.cores} cores, ${summary.device.browser}; one thread each`);
    console.log(`one guided evaluation of ${summary.gigaflop.toFixed(2)} GFLOP, medians of ${pairs} pairs (least)`);
    for (const name of ["tenstep", "onnxruntime"])
      console.log(`  ${name.padEnd(12)} ${summary.milliseconds[name].toFixed(1)} ms (${summary.least[name].toFixed(1)})`);
    console.log(`  ratio        ${ratio.toFixed(2)}, at most ${MOST_RATIO}: ${summary.passed ? "passed" : "FAILED"}`);
    console.log(`  the outputs differ by ${difference.toExponential(1)} (relative norm), at most ${MOST_DIFFERENCE}`);
  }
  return summary.passed ? 0 : 1;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
