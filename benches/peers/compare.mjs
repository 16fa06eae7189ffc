// One network on one backend, ours beside onnxruntime-web's, in a Chromium of its own.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { launchChromium } from "../../tests/web/harness/browsers.mjs";
import { least, median } from "../statistics.mjs";
import { here, openBenchSite } from "./site.mjs";

export const networks = JSON.parse(readFileSync(join(here, "networks.json"), "utf8"));
/** What each side runs on, and how. */
export const backends = {
  cpu: { backend: "cpu", threads: 1 },
  "cpu-two-threads": { backend: "cpu", threads: 2 },
  webgpu: { backend: "webgpu", threads: 1 },
};
/** The most that the outputs may differ; beyond, the two do not compute the same. */
const MOST_DIFFERENCE = 1e-3;

const EXPORT = (network) => `python -m benches.peers.export ${network}`;

/** The version of onnxruntime-web in use; null where it is not installed. */
export function peerVersion() {
  const path = join(here, "node_modules", "onnxruntime-web", "package.json");
  return existsSync(path) ? JSON.parse(readFileSync(path, "utf8")).version : null;
}

/** Whether a network has anything to share between two threads: ours take a half of guidance's batch each. */
export function canShare(network) {
  return networks[network].batch === 2;
}

/** What keeps a network from being measured, or from being compared: `{ ours, theirs }`, each a sentence or null. */
export function whatIsMissing(network) {
  const has = (file) => existsSync(join(here, "exported", file));
  const weights = networks[network].model || has(`${network}.safetensors`) ? null : `it has no weights: ${EXPORT(network)}`;
  if (peerVersion() === null) return { ours: weights, theirs: "the peer is not installed: npm install --prefix benches/peers" };
  return { ours: weights, theirs: has(`${network}.onnx`) ? null : `the peer has no ONNX file: ${EXPORT(network)}` };
}

/**
 * Measures and gives `{ network, backend, gflop, pairs, ours, theirs, ratio, ... }`; `theirs` and what needs it are absent where the peer
 * is. Times are milliseconds, ratios ours over theirs.
 */
export async function compare(network, name, { alone, adapter, seconds, leastPairs, mostPairs }) {
  const { backend, threads } = backends[name];
  const request = { network, spec: networks[network], backend, threads, peer: !alone, seconds, leastPairs, mostPairs };
  const result = await inPage(backend, adapter, (page) => page.evaluate((given) => window.compare(given), request));
  if (backend === "webgpu") {
    const count = (page) => page.evaluate((given) => window.countCallsFromWasm(given), request);
    result.calls.ours.wasm_to_js_calls = await inPage(backend, adapter, count);
  }
  return summary(network, name, result);
}

async function inPage(backend, adapter, work) {
  const site = await openBenchSite();
  const chromium = await launchChromium({ webgpu: backend === "webgpu", adapter });
  try {
    const page = await chromium.browser.newPage();
    page.on("pageerror", (error) => console.error(error.message));
    page.on("console", (message) => message.type() === "info" && console.error(message.text()));
    await page.exposeFunction("processorMillis", await processorClock(chromium.browser));
    await page.goto(`${site.url}page/index.html`);
    await page.waitForFunction(() => "compare" in window);
    return await work(page);
  } finally {
    await chromium.close();
    site.close();
  }
}

/** Of the processes that run pages and the GPU's work: unlike the time that passes, it hardly depends on what else the machine does. */
async function processorClock(browser) {
  const session = await browser.newBrowserCDPSession();
  return async () => {
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    const seconds = processInfo.filter(({ type }) => type === "renderer" || type === "GPU").map(({ cpuTime }) => cpuTime);
    return 1000 * seconds.reduce((sum, one) => sum + one, 0);
  };
}

function summary(network, backend, { times, processorMillis, difference, flops, calls, mode, setUp }) {
  const pairs = times.ours.length;
  const side = (of) => ({
    median_ms: median(times[of]),
    least_ms: least(times[of]),
    processor_ms: processorMillis[of] / pairs,
    set_up_ms: setUp[of],
    ...calls[of],
  });
  const about = { network, backend, gflop: flops / 1e9, pairs, ours: { ...side("ours"), page_busy_ms: median(times.busy) } };
  if (times.theirs.length === 0) return about;
  return {
    ...about,
    theirs: { ...side("theirs"), mode },
    ratio: median(times.ours.map((time, pair) => time / times.theirs[pair])),
    processor_ratio: processorMillis.ours / processorMillis.theirs,
    relative_difference: difference,
    most_difference: MOST_DIFFERENCE,
    agrees: difference <= MOST_DIFFERENCE,
  };
}
