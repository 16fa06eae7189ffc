// Puts the fake engine and a fake model in front of a test site.

import { readFileSync } from "node:fs";
import { fakeModel } from "./model.mjs";

/** Keeps nothing and says that all is kept: the real one refuses a page whose engine is not the one it was built with. */
const SERVICE_WORKER = `onmessage = ({ ports: [port] }) => port?.postMessage({ missing: [] });`;
const ENGINE = readFileSync(new URL("engine.js", import.meta.url));

/** The model lies in `folder`. */
export function answerWithFakes(site, folder = "/fake") {
  for (const backend of ["gpu", "cpu"]) site.answerBytes(`/tenstep/wasm/tenstep_${backend}.js`, ENGINE, "text/javascript");
  site.answerBytes("/service-worker.js", Buffer.from(SERVICE_WORKER), "text/javascript");
  for (const [file, bytes] of fakeModel()) site.answerBytes(`${folder}/${file}`, bytes);
}
