// Offline use: keeps the page once it has made a picture, says whether it works without a network, and offers updates.

import type { Backend } from "tenstep";
import { element } from "./element.js";
import type { Kept, ToServiceWorker } from "./offline-messages.js";

/** How long a page that stays open waits before it looks for an update again. */
const UPDATE_PAUSE_MILLIS = 60 * 60 * 1000;

const report = element("offline-status", HTMLParagraphElement);
const update = element("update", HTMLDivElement);
const reload = element("reload", HTMLButtonElement);

let registering: Promise<ServiceWorkerRegistration> | undefined;

// Who was here before may have an update waiting. A first visit fetches its picture before anything else.
if (globalThis.navigator.serviceWorker?.controller) void register().catch(() => undefined);

/**
 * Keeps the page with its engine, and says what came of it. `isModelKept` tells whether the model's files are in the
 * package's store.
 */
export async function keepForOffline(backend: Backend, isModelKept: () => Promise<boolean>): Promise<void> {
  if (!globalThis.navigator.serviceWorker) {
    say("unavailable", "This browser cannot keep the page for use offline.");
    return;
  }
  if (report.dataset["state"] !== "ready") say("keeping", "Keeping the page for use offline…");
  try {
    const { missing, reason } = await ask(await activeWorker(await register()), { type: "keep", backend });
    if (missing.length > 0) throw new Error(reason ?? `${missing.length} files could not be kept`);
    if (await isModelKept()) say("ready", "Ready for use offline.");
    else sayWithoutModel();
  } catch (error) {
    say("failed", `Not ready for use offline: ${error instanceof Error ? error.message : String(error)}.`);
  }
}

/** The downloads were deleted, a model among them. */
export function sayModelIsGone(): void {
  if (report.dataset["state"] === "ready") sayWithoutModel();
}

function sayWithoutModel(): void {
  say("without-model", "The page opens offline, but the browser has not kept its model.");
}

function say(state: string, sentence: string): void {
  report.dataset["state"] = state;
  // The same words again would be read out again.
  if (report.textContent !== sentence) report.textContent = sentence;
}

/** One registration for the life of the page; after a failure the next call tries anew. */
function register(): Promise<ServiceWorkerRegistration> {
  registering ??= navigator.serviceWorker
    .register("service-worker.js", { updateViaCache: "none" })
    .then((registration) => {
      offerUpdates(registration);
      return registration;
    })
    .catch((error: unknown) => {
      registering = undefined;
      throw error;
    });
  return registering;
}

/** The worker that serves the page, as soon as there is one. */
async function activeWorker(registration: ServiceWorkerRegistration): Promise<ServiceWorker> {
  const worker = registration.active ?? registration.waiting ?? registration.installing;
  if (!worker) {
    registering = undefined;
    throw new Error("the browser did not keep the page");
  }
  if ((await settled(worker, "activated")) === "activated") return worker;
  registering = undefined;
  throw new Error("the page could not be kept whole: its server may be changing it, or the browser's storage may be full");
}

/** Resolves when the worker is in `state`, or of no more use (`redundant`). */
function settled(worker: ServiceWorker, state: ServiceWorkerState): Promise<ServiceWorkerState> {
  return new Promise((resolve) => {
    const look = () => {
      if (worker.state !== state && worker.state !== "redundant") return;
      worker.removeEventListener("statechange", look);
      resolve(worker.state);
    };
    worker.addEventListener("statechange", look);
    look();
  });
}

function ask(worker: ServiceWorker, message: ToServiceWorker): Promise<Kept> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = ({ data }: MessageEvent<Kept>) => {
      port1.close();
      resolve(data);
    };
    worker.postMessage(message, [port2]);
  });
}

/** The version on show stays until the person wants the next, or closes its last page. */
function offerUpdates(registration: ServiceWorkerRegistration): void {
  const offer = () => {
    if (registration.waiting && navigator.serviceWorker.controller) update.hidden = false;
  };
  offer();
  registration.addEventListener("updatefound", () => {
    const { installing } = registration;
    if (installing) void settled(installing, "installed").then(offer);
  });

  let lastLook = Date.now();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden || Date.now() - lastLook < UPDATE_PAUSE_MILLIS) return;
    lastLook = Date.now();
    void registration.update().catch(() => undefined);
  });

  reload.addEventListener("click", () => {
    const { waiting } = registration;
    // Another page of ours may have let it in already.
    if (!waiting) return location.reload();
    void settled(waiting, "activated").then(() => location.reload());
    waiting.postMessage({ type: "activate" } satisfies ToServiceWorker);
  });
}
