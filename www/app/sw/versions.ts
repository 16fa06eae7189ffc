// One cache a version of the page, and which version each open page and worker is of.

import { fetchVerified } from "./fetch-verified.js";
import { addressOf, engines, VERSION, type ShellFile } from "./shell.js";

declare const self: ServiceWorkerGlobalScope;

/** Caches belong to the whole origin, where another Tenstep may live under another path: the scope is in the name. */
const PREFIX = `tenstep-page-${new URL(self.registration.scope).pathname}@`;
const CURRENT = PREFIX + VERSION;

/** Names of caches by client; filled from the caches, since a service worker is stopped and started at any time. */
const known = new Map<string, string>();

/** Fetches and stores what this version's cache lacks of `files`. Rejects where one could not be had or stored. */
export async function keep(files: ShellFile[]): Promise<void> {
  const cache = await caches.open(CURRENT);
  await Promise.all(
    (await lacking(files)).map(async (file) => cache.put(addressOf(file), await fetchVerified(file))),
  );
}

/** Which of `files` this version's cache lacks. */
export async function lacking(files: ShellFile[]): Promise<ShellFile[]> {
  const cache = await caches.open(CURRENT);
  const found = await Promise.all(files.map((file) => cache.match(addressOf(file))));
  return files.filter((_, index) => !found[index]);
}

export function forgetThisVersion(): Promise<boolean> {
  return caches.delete(CURRENT);
}

/** A file of this version. */
export async function keptNow(file: ShellFile): Promise<Response | undefined> {
  return (await caches.open(CURRENT)).match(addressOf(file));
}

/** What the version that `clientId` belongs to has at an address. */
export async function keptThen(address: string, clientId: string): Promise<Response | undefined> {
  return (await caches.open(await versionOf(clientId))).match(address, { ignoreSearch: true });
}

export async function isOfThisVersion(clientId: string): Promise<boolean> {
  return (await versionOf(clientId)) === CURRENT;
}

/** Writes down that a client is of this version. */
export function adopt(clientId: string): Promise<void> {
  return remember(clientId, CURRENT);
}

/** Writes down that a client is of the version of another: a worker is of its page's. */
export async function inherit(clientId: string, parentId: string): Promise<void> {
  await remember(clientId, await versionOf(parentId));
}

/** Takes clients that no version has written down: those opened before there was a service worker. */
export async function adoptStrays(): Promise<void> {
  const all = await self.clients.matchAll({ type: "all", includeUncontrolled: true });
  await Promise.all(all.map(async ({ id }) => (await recorded(id)) ?? remember(id, CURRENT)));
}

/** Backends whose engine an earlier version kept: whoever could work offline still can after an update. */
export async function backendsKeptBefore(): Promise<string[]> {
  const before = await Promise.all((await earlier()).map((name) => caches.open(name)));
  const answers = [...engines()].map(async ([backend, files]) => {
    const found = await Promise.all(before.flatMap((cache) => files.map((file) => cache.match(addressOf(file)))));
    return found.some(Boolean) ? [backend] : [];
  });
  return (await Promise.all(answers)).flat();
}

/** Deletes this page's versions that no open page needs. While another is on its way, all stay: it may be among them. */
export async function dropUnused(): Promise<void> {
  const { installing, waiting } = self.registration;
  if (installing || waiting) return;
  const names = await earlier();
  const open = await self.clients.matchAll({ type: "all", includeUncontrolled: true });
  const used = await Promise.all(open.map(({ id }) => versionOf(id)));
  await Promise.all(names.filter((name) => !used.includes(name)).map((name) => caches.delete(name)));
}

async function earlier(): Promise<string[]> {
  return (await caches.keys()).filter((name) => name.startsWith(PREFIX) && name !== CURRENT);
}

async function versionOf(clientId: string): Promise<string> {
  return (await recorded(clientId)) ?? CURRENT;
}

async function recorded(clientId: string): Promise<string | undefined> {
  const name = known.get(clientId);
  if (name !== undefined || clientId === "") return name;
  for (const candidate of [CURRENT, ...(await earlier())]) {
    if (!(await (await caches.open(candidate)).match(record(clientId)))) continue;
    known.set(clientId, candidate);
    return candidate;
  }
  return undefined;
}

async function remember(clientId: string, name: string): Promise<void> {
  if (clientId === "") return;
  known.set(clientId, name);
  await (await caches.open(name)).put(record(clientId), new Response());
}

/** Where a version's cache has a note of a client that is of it: an address that is no file's. */
function record(clientId: string): string {
  return new URL(`.client/${clientId}`, self.registration.scope).href;
}
