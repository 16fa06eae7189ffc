// Programs whose output others read have it to themselves.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { root } from "../../../scripts/paths.mjs";

test("what is said, and what others print on the way, goes to standard error", () => {
  const program = `
    import { run, say } from "./scripts/command.mjs";
    say("a sentence");
    await run(process.execPath, ["--print", "'of another'"], { stdout: process.stderr });
    console.log("the result");
  `;
  const { stdout, stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], { cwd: root, encoding: "utf8" });
  assert.equal(stdout, "the result\n");
  assert.match(stderr, /a sentence\n(.*\n)*of another\n/);
});
