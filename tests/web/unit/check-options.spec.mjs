// What is sent of a caller's options: copies that can be cloned, or an error that names what cannot.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { checkedSavedRun, pictureOptionsFromStart, planFromLoadOptions } from "../../../target/lib/check-options.js";

/** As Vue and Svelte wrap what they watch. */
const watched = (value) => new Proxy(value, {});

describe("the addresses of a manifest", () => {
  const there = "https://example.org/manifest.json";
  const object = URL.createObjectURL(new Blob(["{}"]));
  for (const address of [object, new URL(object), "data:application/json,{}", "about:blank"]) {
    it(`are refused where nothing lies beside them, as ${typeof address} with ${new URL(address).protocol}`, () => {
      const refusal = (option) => ({ code: "invalid-option", message: new RegExp(`^${option} must be an address that shards can lie beside`) });
      assert.throws(() => planFromLoadOptions({ manifest: address }), refusal("manifest"));
      assert.throws(() => planFromLoadOptions({ manifest: there, mirrors: [there, address] }), refusal("mirrors\\[1\\]"));
    });
  }

  it("are taken where something does", () => {
    const [manifest, mirrors] = ["file:///models/manifest.json", [there, "http://localhost"]];
    const plan = planFromLoadOptions({ manifest, mirrors });
    assert.deepEqual([plan.manifest, plan.mirrors], [manifest, [there, "http://localhost/"]]);
  });
});

describe("a picture's options", () => {
  it("are sent as they are when a framework has wrapped them", () => {
    const options = { timesteps: watched([999, 500]), guidanceInterval: watched([0, Infinity]), solverOptions: watched({ eta: 0.5 }) };
    const sent = structuredClone(pictureOptionsFromStart(watched(options)));
    assert.deepEqual(sent, { timesteps: [999, 500], guidanceInterval: [0, Infinity], solverOptions: { eta: 0.5 } });
  });

  it("are those of the call, whatever becomes of the caller's lists", () => {
    const options = { sigmas: [1, 0], solverOptions: { order: 2 } };
    const taken = pictureOptionsFromStart(options);
    options.sigmas.push(7);
    options.solverOptions.order = 3;
    assert.deepEqual(taken, { sigmas: [1, 0], solverOptions: { order: 2 } });
  });

  const refused = { timesteps: [[999, "500"], [999, , 500], "999", new Float32Array(2)], solverOptions: [[1], null, { eta: () => 1 }] };
  for (const [name, values] of Object.entries(refused)) {
    it(`are refused where ${name} are none`, () => {
      for (const value of values) assert.throws(() => pictureOptionsFromStart({ [name]: value }), { code: "invalid-option" });
    });
  }
});

describe("a saved run", () => {
  const saved = () => ({
    version: 1,
    revision: "abc",
    options: { prompt: "a", timesteps: [999, 500], seed: 1 },
    state: { evaluations: 1, errors: [0.5], values: Float32Array.of(1, 2, 3) },
  });
  const checked = (run) => checkedSavedRun(run, {});

  it("is sent as it is when a framework has wrapped it", () => {
    const { options, state } = saved();
    const wrapped = { ...saved(), options: watched({ ...options, timesteps: watched(options.timesteps) }), state: watched({ ...state, errors: watched(state.errors) }) };
    assert.deepEqual(structuredClone(checked(watched(wrapped))), saved());
  });

  it("is a copy", () => {
    const run = saved();
    const { state } = checked(run);
    run.state.values[0] = 7;
    run.state.errors[0] = 7;
    assert.deepEqual(state, saved().state);
  });

  const transferred = () => {
    const values = Float32Array.of(1, 2, 3);
    structuredClone(values, { transfer: [values.buffer] });
    return values;
  };
  const refused = {
    "no number of evaluations": () => ({ evaluations: () => 1 }),
    "no list of errors": () => ({ errors: [{}] }),
    "no values": () => ({ values: undefined }),
    "values of another kind": () => ({ values: new Float64Array(3) }),
    "values behind a proxy": () => ({ values: watched(Float32Array.of(1, 2, 3)) }),
    "values that were transferred elsewhere": () => ({ values: transferred() }),
  };
  for (const [name, wrong] of Object.entries(refused)) {
    it(`is refused with ${name}`, () => {
      const run = { ...saved(), state: { ...saved().state, ...wrong() } };
      assert.throws(() => checked(run), { code: "invalid-option", message: /the saved run's (evaluations|errors|values)/ });
    });
  }
});
