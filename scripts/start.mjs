// `npm start`: set-up, build, and the page on localhost. `npm start -- --port 9000` takes another port.

import { build } from "./build.mjs";
import { asProgram } from "./command.mjs";
import { serveUntilInterrupted } from "./serve.mjs";

await asProgram(import.meta.url, async () => {
  await build();
  await serveUntilInterrupted(process.argv.slice(2));
});
