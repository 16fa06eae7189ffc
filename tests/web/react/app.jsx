// A page for react.spec.mjs: mounts components that use the hook, and shows what it gives.

import { StrictMode, useEffect } from "react";
import { createRoot } from "react-dom/client";
import { useTenstep } from "../../../dist/tenstep/react/index.js";

/** What each mounted component was given last, and all statuses it was given, by its name. */
const given = {};
const statuses = {};

function Probe({ name, ...options }) {
  const state = useTenstep(options);
  useEffect(() => {
    given[name] = state;
    (statuses[name] ??= []).push(state.status);
  });
  return <p>{state.status}</p>;
}

const root = createRoot(document.getElementById("root"));
const render = (...probes) =>
  root.render(
    <StrictMode>
      {probes.map((probe) => (
        <Probe key={probe.name} {...probe} />
      ))}
    </StrictMode>,
  );

async function becomes(name, wanted) {
  while (given[name]?.status !== wanted) await new Promise((resolve) => setTimeout(resolve, 10));
}

async function outcome(promise) {
  try {
    return { value: await promise };
  } catch ({ name, code }) {
    return { name, code };
  }
}

Object.assign(window, { given, statuses, render, becomes, outcome, isReady: true });
