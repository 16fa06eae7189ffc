// `npm run bench`: networks beside peers' in one browser, and whole pictures on the page. docs/performance.md says what is
// measured.

import { build } from "../scripts/build.mjs";
import { asProgram } from "../scripts/command.mjs";
import { setUpBrowsers } from "../scripts/setup/browsers.mjs";
import { setUp } from "../scripts/setup.mjs";
import { describeDevice } from "./device.mjs";
import { USAGE, readOptions } from "./options.mjs";
import { backends, canShare, compare, peersFor, whatIsMissing } from "./peers/compare.mjs";
import { buildModules } from "./peers/modules.mjs";
import { measurePictures } from "./picture.mjs";
import { comparisonLines, deviceLines, pictureLines } from "./report.mjs";

await asProgram(import.meta.url, async () => {
  const options = understood();
  if (options === null) return;
  // Standard output is for the object alone.
  const tell = options.json ? (lines) => console.error(lines.join("\n")) : (lines) => console.log(lines.join("\n"));
  const devices = [...new Set(options.backends.map((name) => backends[name].backend))];

  if (options.build) await buildAll(options, devices);
  const device = await describeDevice(options.adapter, options.peers);
  tell(deviceLines(device));
  if (devices.includes("webgpu") && !device.adapter) throw new Error("Chromium offers no WebGPU adapter here: leave webgpu out of --backends, or choose another --adapter.");
  const comparisons = options.parts.includes("networks") ? await compareAll(options, tell) : [];
  const pictures = options.parts.includes("pictures") ? await pictureAll(devices, options, tell) : {};

  if (options.json) console.log(JSON.stringify({ device, ratios: ratios(comparisons), comparisons, pictures }));
  if (comparisons.some(({ agrees }) => agrees === false)) process.exitCode = 1;
});

/** Null where there is nothing to do but to have said so. */
function understood() {
  try {
    const options = readOptions(process.argv.slice(2));
    if (!options.help) return options;
    console.log(USAGE);
  } catch (error) {
    console.error(`${error.message}\n${USAGE}`);
    process.exitCode = 2;
  }
  return null;
}

async function buildAll({ parts, peers }, devices) {
  await setUp();
  await setUpBrowsers();
  if (parts.includes("pictures")) await build();
  if (!parts.includes("networks")) return;
  const ours = devices.map((name) => (name === "webgpu" ? "gpu" : "cpu"));
  const theirs = devices.includes("webgpu") && peers.includes("burn-wgpu") ? ["burn-wgpu"] : [];
  await buildModules([...ours, ...theirs]);
}

async function compareAll(options, tell) {
  const comparisons = [];
  for (const network of options.networks) {
    const missing = whatIsMissing(network);
    if (missing) {
      tell([`${network} is left out, ${missing}`]);
      continue;
    }
    for (const backend of options.backends) {
      if (backends[backend].threads === 2 && !canShare(network)) {
        tell([`${network} ${backend} is left out, a batch of one stays on one thread`]);
        continue;
      }
      const peers = peersFor(network, backend, options.peers);
      for (const sentence of peers.missing) tell([`${network} ${backend} is measured ${sentence}`]);
      for (const peer of peers.able.length > 0 ? peers.able : [null]) {
        const comparison = await compare(network, backend, peer, options);
        comparisons.push(comparison);
        tell(comparisonLines(comparison));
      }
    }
  }
  return comparisons;
}

async function pictureAll(devices, options, tell) {
  const pictures = {};
  for (const backend of devices) {
    pictures[backend] = await measurePictures(backend, options);
    tell(pictureLines(backend, pictures[backend]));
  }
  return pictures;
}

/** By network and backend, and the peer where it is not the usual one. */
function ratios(comparisons) {
  const compared = comparisons.filter(({ theirs }) => theirs);
  const key = ({ network, backend, peer }) => [network, backend, ...(peer === "onnxruntime-web" ? [] : [peer])].join(" ");
  return Object.fromEntries(
    compared.map(({ ours, theirs, ratio, pairs, ...about }) => [key(about), { ours_ms: ours.median_ms, theirs_ms: theirs.median_ms, ratio, pairs }]),
  );
}
