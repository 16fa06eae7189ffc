// Puts the fake engine and a fake model in front of a test site.

import { readFileSync } from "node:fs";
import { fakeModel } from "./model.mjs";

const ENGINE = readFileSync(new URL("engine.js", import.meta.url));

/** The model lies in `folder`. */
export function answerWithFakes(site, folder = "/fake") {
  for (const backend of ["gpu", "cpu"]) site.answerBytes(`/tenstep/wasm/tenstep_${backend}.js`, ENGINE, "text/javascript");
  for (const [file, bytes] of fakeModel()) site.answerBytes(`${folder}/${file}`, bytes);
}
