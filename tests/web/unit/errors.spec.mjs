import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { errorFromWire, TenstepError, wireFromError } from "../../../target/lib/errors.js";

const throughThread = (error) => errorFromWire(structuredClone(wireFromError(error)));

describe("errors between threads", () => {
  it("keep name, message, code and stack", () => {
    const thrown = Object.assign(new Error("shard a is damaged"), { name: "TenstepError", code: "shard-hash" });
    const rebuilt = throughThread(thrown);
    assert.ok(rebuilt instanceof TenstepError);
    const { name, message, code, stack } = rebuilt;
    assert.deepEqual({ name, message, code, stack }, { name: "TenstepError", message: thrown.message, code: "shard-hash", stack: thrown.stack });
  });

  it("leave an abort a DOMException", () => {
    const rebuilt = throughThread(new DOMException("stopped", "AbortError"));
    assert.ok(rebuilt instanceof DOMException);
    assert.equal(rebuilt.name, "AbortError");
  });

  it("keep the names of other errors, and carry thrown values that are none", () => {
    assert.equal(throughThread(new RangeError("far")).name, "RangeError");
    assert.equal(throughThread("text").message, "text");
  });
});
