// One network on one backend, ours beside a peer's, in a Chromium of its own.

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { launchChromium } from "../../tests/web/harness/browsers.mjs";
import { least, median } from "../statistics.mjs";
import { peers } from "./peers.mjs";
import { EXPORT, exported, here, openBenchSite } from "./site.mjs";

export const networks = JSON.parse(readFileSync(join(here, "networks.json"), "utf8"));
/** What each side runs on, and how. */
export const backends = {
  cpu: { backend: "cpu", threads: 1 },
  "cpu-two-threads": { backend: "cpu", threads: 2 },
  webgpu: { backend: "webgpu", threads: 1 },
};
/** The most that the outputs may differ, by what our products are computed in; beyond, the two do not compute the same. */
export const MOST_DIFFERENCE = { f32: 1e-3, f16: 5e-3, int8: 2e-2 };

/** What keeps a network from being measured at all: a sentence, or null. */
export function whatIsMissing(network) {
  const hasWeights = networks[network].model || existsSync(join(exported, `${network}.safetensors`));
  return hasWeights ? null : `it has no weights: ${EXPORT(network)}`;
}

/** Whether a network has anything to share between two threads: ours take a half of guidance's batch each. */
export function canShare(network) {
  return networks[network].batch === 2;
}

/** Those of the peers with these names that can run a network on a backend, and a sentence on each that cannot: `{ able, missing }`. */
export function peersFor(network, name, names) {
  const candidates = names.filter((peer) => peers[peer].devices.includes(backends[name].backend));
  const missing = candidates.map((peer) => [peer, peers[peer].missing(network)]).filter(([, sentence]) => sentence !== null);
  const lacking = missing.map(([peer]) => peer);
  return { able: candidates.filter((peer) => !lacking.includes(peer)), missing: missing.map(([peer, sentence]) => `without ${peer}, ${sentence}`) };
}

/**
 * Measures beside `peer`, or alone where it is null, and gives `{ network, backend, peer, gflop, pairs, ours, theirs, ratio, ... }`;
 * `theirs` and what needs it are absent where there is no peer. Times are milliseconds, ratios ours over theirs.
 */
export async function compare(network, name, peer, { adapter, arithmetic, seconds, leastPairs, mostPairs }) {
  const { backend, threads } = backends[name];
  const request = { network, spec: { ...networks[network], arithmetic }, backend, threads, peer, files: peer ? peers[peer].files(network) : [], seconds, leastPairs, mostPairs };
  const result = await inPage(backend, adapter, (page) => page.evaluate((given) => window.compare(given), request));
  if (backend === "webgpu") {
    const count = (page) => page.evaluate((given) => window.countCallsFromWasm(given), request);
    result.calls.ours.wasm_to_js_calls = await inPage(backend, adapter, count);
  }
  return summary({ network, backend: name, peer }, result);
}

async function inPage(backend, adapter, work) {
  const site = await openBenchSite();
  const chromium = await launchChromium({ webgpu: backend === "webgpu", adapter });
  try {
    const page = await chromium.browser.newPage();
    page.on("pageerror", (error) => console.error(error.message));
    page.on("console", (message) => ["info", "error"].includes(message.type()) && console.error(message.text()));
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

function summary(compared, { times, processorMillis, difference, flops, arithmetic, calls, mode, setUp }) {
  const pairs = times.ours.length;
  const side = (of) => ({
    median_ms: median(times[of]),
    least_ms: least(times[of]),
    processor_ms: processorMillis[of] / pairs,
    set_up_ms: setUp[of],
    ...calls[of],
  });
  const about = { ...compared, gflop: flops / 1e9, arithmetic, pairs, ours: { ...side("ours"), page_busy_ms: median(times.busy) } };
  if (times.theirs.length === 0) return about;
  return {
    ...about,
    theirs: { ...side("theirs"), mode },
    ratio: median(times.ours.map((time, pair) => time / times.theirs[pair])),
    processor_ratio: processorMillis.ours / processorMillis.theirs,
    relative_difference: difference,
    most_difference: MOST_DIFFERENCE[arithmetic],
    agrees: difference <= MOST_DIFFERENCE[arithmetic],
  };
}
