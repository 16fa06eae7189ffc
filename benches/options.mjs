// The options of `npm run bench`.

import { parseArgs } from "node:util";
import { MOST_DIFFERENCE, backends, networks } from "./peers/compare.mjs";
import { peers } from "./peers/peers.mjs";

const PARTS = ["networks", "pictures"];
/** Burn takes many minutes to compile, so it has to be asked for. */
const USUAL_PEERS = ["onnxruntime-web"];
/** The large ones take many minutes and gigabytes. */
const USUAL_NETWORKS = Object.keys(networks).filter((name) => !networks[name].large);
const ADAPTERS = ["software", "hardware"];
const ARITHMETICS = Object.keys(MOST_DIFFERENCE);

export const USAGE = `usage: npm run bench -- [options]
  --networks <names>   of ${Object.keys(networks).join(",")} (${USUAL_NETWORKS.join(",")})
  --backends <names>   of ${Object.keys(backends).join(",")} (all)
  --peers <names>      of ${Object.keys(peers).join(",")} (${USUAL_PEERS.join(",")}); burn-wgpu is compiled first, for many minutes
  --parts <names>      of ${PARTS.join(",")} (all): single networks beside the peers, our own whole pictures
  --adapter <kind>     ${ADAPTERS.join(" or ")}: Chromium's SwiftShader, or the machine's GPU (software)
  --arithmetic <kind>  ${ARITHMETICS.join(", ")}: what our products are computed in on WebGPU, where the GPU can (f32); not for pictures
  --pairs <n>          most pairs a comparison (100)
  --seconds <n>        after which no measurement is repeated, beyond 5 pairs and one picture (60)
  --json               prints one object, and nothing else on standard output
  --no-build           takes the modules and the page as the last run left them
  --help`;

/** The options, or `{ help: true }`; throws a sentence for what is not understood. */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      networks: { type: "string", default: USUAL_NETWORKS.join() },
      backends: { type: "string", default: Object.keys(backends).join() },
      peers: { type: "string", default: USUAL_PEERS.join() },
      parts: { type: "string", default: PARTS.join() },
      adapter: { type: "string", default: "software" },
      arithmetic: { type: "string", default: "f32" },
      pairs: { type: "string", default: "100" },
      seconds: { type: "string", default: "60" },
      json: { type: "boolean", default: false },
      "no-build": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  return {
    help: values.help,
    networks: names("--networks", values.networks, Object.keys(networks)),
    backends: names("--backends", values.backends, Object.keys(backends)),
    peers: names("--peers", values.peers, Object.keys(peers)),
    parts: names("--parts", values.parts, PARTS),
    adapter: names("--adapter", values.adapter, ADAPTERS)[0],
    arithmetic: names("--arithmetic", values.arithmetic, ARITHMETICS)[0],
    leastPairs: Math.min(5, count("--pairs", values.pairs)),
    mostPairs: count("--pairs", values.pairs),
    seconds: count("--seconds", values.seconds),
    json: values.json,
    build: !values["no-build"],
  };
}

function names(option, list, known) {
  const given = list.split(",");
  const unknown = given.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`${option}: there is no "${unknown}"; there is ${known.join(", ")}`);
  return given;
}

function count(option, text) {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1) throw new Error(`${option} must be a whole number from 1`);
  return number;
}
