// The set-up refuses a Rust that is older than Cargo.toml asks for, before cargo does so in many lines.

import assert from "node:assert/strict";
import test from "node:test";
import { isNewEnough, OLDEST_RUST } from "../../../scripts/setup/rust.mjs";

test("versions of Rust are compared number by number", () => {
  assert.match(OLDEST_RUST, /^1\.\d+/);
  assert.ok(isNewEnough("rustc 1.95.0 (59807616e 2026-04-14)", "1.95"));
  assert.ok(isNewEnough("rustc 1.100.0", "1.95"), "100 comes after 95");
  assert.ok(isNewEnough("rustc 2.0.0", "1.95"));
  assert.ok(!isNewEnough("rustc 1.85.0 (4d91de4e4 2025-02-17) (built from a source tarball)", "1.95"));
  assert.ok(!isNewEnough("rustc 1.9.0", "1.95"));
});
