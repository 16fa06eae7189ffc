// `npm run test:e2e`: the package and the page in real browsers, beside servers and stores that fail in every way.
// `npm run test:e2e -- loading,store` runs these specs of tests/web only. `npm run build` comes first.

import { asProgram, say } from "./command.mjs";
import { setUpBrowsers } from "./setup/browsers.mjs";
import { runSpecs } from "./specs.mjs";

export async function testEndToEnd(names) {
  await setUpBrowsers();
  say("Left out: Safari, which runs on Apple's systems only.");
  // One browser at a time: the timings are measured.
  await runSpecs("tests/web", { names, concurrency: 1 });
}

await asProgram(import.meta.url, () => testEndToEnd(process.argv[2]?.split(",")));
