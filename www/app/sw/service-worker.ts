// Keeps the page, one whole version of it, so that it opens without a network. Models are not its business: the package
// stores them.

import type { Kept, ToServiceWorker } from "../offline-messages.js";
import { fetchVerified } from "./fetch-verified.js";
import { fileAt, filesFor, isOurs, type ShellFile } from "./shell.js";
import {
  adopt, adoptStrays, backendsKeptBefore, dropUnused, forgetThisVersion, inherit, isOfThisVersion, keep, keptNow, keptThen, lacking,
} from "./versions.js";

declare const self: ServiceWorkerGlobalScope;

self.addEventListener("install", (event) => event.waitUntil(install()));
self.addEventListener("activate", (event) => event.waitUntil(activate()));
self.addEventListener("message", (event) => {
  const message = event.data as ToServiceWorker;
  if (message.type === "activate") event.waitUntil(self.skipWaiting());
  if (message.type === "keep") {
    const [port] = event.ports;
    event.waitUntil(keepAll(filesFor([message.backend])).then((answer) => port?.postMessage(answer)).then(dropUnused));
  }
});
self.addEventListener("fetch", (event) => {
  const { request } = event;
  // Part of a file is the server's to cut.
  if (request.method !== "GET" || request.headers.has("range") || !isOurs(request.url)) return;
  const file = fileAt(request.url);
  if (request.mode === "navigate") event.respondWith(file ? openPage(event, file) : openOther(request));
  else event.respondWith(answer(event, file));
});

/** All or nothing: a version of which a file is missing, or of another version, is none. */
async function install(): Promise<void> {
  const { missing, reason } = await keepAll(filesFor(await backendsKeptBefore()));
  if (missing.length === 0) return;
  await forgetThisVersion();
  throw new Error(reason ?? `not kept: ${missing.join(", ")}`);
}

async function activate(): Promise<void> {
  await adoptStrays();
  await self.clients.claim();
  await dropUnused();
}

/** Keeps `files`, and looks whether they are there. */
async function keepAll(files: ShellFile[]): Promise<Kept> {
  const missing = async () => (await lacking(files)).map(({ path }) => path);
  try {
    await keep(files);
    return { missing: await missing() };
  } catch (error) {
    return { missing: await missing().catch(() => files.map(({ path }) => path)), reason: String(error) };
  }
}

/** A page of ours, of this version whatever the version of others that are open. */
async function openPage(event: FetchEvent, file: ShellFile): Promise<Response> {
  event.waitUntil(dropUnused());
  // Without a note of it the page still works, and counts as being of the newest version.
  await adopt(event.resultingClientId).catch(() => undefined);
  return (await keptNow(file)) ?? fetch(event.request);
}

/** An address below ours that is none of our pages; without a network, the way to one. */
async function openOther(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch {
    return Response.redirect(self.registration.scope);
  }
}

/** A file for a page or a worker, of the version that it was opened with: files of two versions do not fit together. */
async function answer(event: FetchEvent, file: ShellFile | undefined): Promise<Response> {
  const { clientId, resultingClientId, request } = event;
  const isCurrent = await isOfThisVersion(clientId);
  if (request.destination === "worker") await inherit(resultingClientId, clientId).catch(() => undefined);
  const response = isCurrent ? file && (await keptNow(file)) : await keptThen(request.url, clientId);
  if (response) return response;
  if (!file) return fetch(request);
  if (!isCurrent) throw new Error(`${file.path} of an earlier version was not kept`);
  try {
    const fresh = await fetchVerified(file);
    event.waitUntil(keep([file]).catch(() => undefined));
    return fresh;
  } catch (error) {
    void self.registration.update().catch(() => undefined);
    throw error;
  }
}
