// `npm start`: set-up, build, and the page on localhost. `npm start -- --port 9000` takes another port.

import { build } from "./build.mjs";
import { serveUntilInterrupted } from "./serve.mjs";

try {
  await build();
  await serveUntilInterrupted(process.argv.slice(2));
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
