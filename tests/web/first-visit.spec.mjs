// A newcomer's first ten seconds: nothing cached, 25 Mbit/s and 40 ms, no GPU, a press on the first example as soon as it is there.
// Ten seconds hold where the processor is free. Where other programs have it, the limit grows by as much as a busy loop in this
// process waits for its turn: wall time over processor time, 1 on an idle machine, however fast that is.

import assert from "node:assert/strict";
import { statSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { dist } from "../../scripts/paths.mjs";
import { visits } from "./harness/visits.mjs";

const LIMIT_SECONDS = 10;
const BYTES_PER_SECOND = 25e6 / 8;
const LATENCY_MS = 40;
const PATIENCE = { timeout: 300_000 };

const shared = visits();

/** How many times longer this process takes than it computes. */
function contention() {
  const began = performance.now();
  const before = process.cpuUsage();
  let used = 0;
  while (used < 400) {
    for (let turn = 0; turn < 1e6; turn++);
    const { user, system } = process.cpuUsage(before);
    used = (user + system) / 1000;
  }
  return Math.max(1, (performance.now() - began) / used);
}

test(`a first picture is there ${LIMIT_SECONDS} seconds after a first visit began`, PATIENCE, async () => {
  const before = contention();
  const { page } = await shared.visit("icon.svg");
  const network = await page.context().newCDPSession(page);
  await network.send("Network.enable");
  const rates = { downloadThroughput: BYTES_PER_SECOND, uploadThroughput: BYTES_PER_SECOND, latency: LATENCY_MS };
  await network.send("Network.emulateNetworkConditions", { offline: false, ...rates });
  await network.send("Network.setCacheDisabled", { cacheDisabled: true });
  shared.site.requests.length = 0;

  await page.goto(shared.site.url, { waitUntil: "commit", ...PATIENCE });
  await page.locator("#examples button").first().click(PATIENCE);
  const seconds = await page.evaluate(
    () =>
      new Promise((resolve) => {
        const look = () => document.querySelector("#result").complete && document.querySelector('#picture[data-state="result"]');
        const poll = () => (look() ? resolve(performance.now() / 1000) : requestAnimationFrame(poll));
        poll();
      }),
  );
  const slowdown = Math.max(before, contention());

  const files = shared.site.requests.map((path) => join(dist, path === "/" ? "index.html" : path));
  const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
  const transfer = bytes / BYTES_PER_SECOND;
  console.log(
    `first picture after ${seconds.toFixed(2)} s: ${(bytes / 1e6).toFixed(1)} MB, ${transfer.toFixed(2)} s of it on the line; ` +
      `the processor was shared ${slowdown.toFixed(2)} ways, so the limit is ${(LIMIT_SECONDS * slowdown).toFixed(1)} s`,
  );
  assert.ok(bytes > 10e6, "the model was among what was fetched");
  assert.ok(seconds > transfer * 0.9, "the line was as slow as it was to be");
  assert.ok(seconds <= LIMIT_SECONDS * slowdown, `${seconds} s`);
});
