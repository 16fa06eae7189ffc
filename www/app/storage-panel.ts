// Storage: what lies in this browser for the page, how large it is, and a way to be rid of it.

import { albumSize } from "./album.js";
import { bytesText } from "./bytes.js";
import { isConfirmed } from "./confirm.js";
import { elements } from "./elements.js";
import { showFacts } from "./facts.js";
import { announce } from "./status.js";
import { storageSource } from "./storage-source.js";

const { clearStorage, storage, storageFacts, storageSummary } = elements;

/** Looks only when somebody does: counting reads every file that is kept. */
export function connectStorage(): void {
  storage.addEventListener("toggle", () => {
    if (storage.open) void showStorage();
  });
  clearStorage.addEventListener("click", () => void clear());
}

/** Brings the panel up to date, if it is open. */
export async function refreshStorage(): Promise<void> {
  if (storage.open) await showStorage();
}

async function showStorage(): Promise<void> {
  try {
    const [items, { usage, quota, isPersistent }] = await Promise.all([storageSource.list(), storageSource.estimate()]);
    const { pictures, bytes } = albumSize();
    showFacts(storageFacts, [
      ["Album", `${pictures} ${pictures === 1 ? "picture" : "pictures"}, ${bytesText(bytes)}`],
      ...items.map(({ name, bytes: ofItem }) => [name, bytesText(ofItem)] as const),
    ]);
    const counted = usage === undefined || quota === undefined ? "" : `The browser counts ${bytesText(usage)} of ${bytesText(quota)}. `;
    storageSummary.textContent =
      counted + (isPersistent ? "It keeps them until you clear them." : "It may clear them when the disk is full.");
    clearStorage.hidden = items.length === 0;
  } catch {
    storageSummary.textContent = "This browser does not say what it keeps.";
    clearStorage.hidden = true;
  }
}

async function clear(): Promise<void> {
  const question = "Delete the downloaded model and files for offline use? The album stays. The next visit downloads them again.";
  if (!(await isConfirmed(question, "Delete downloads"))) return;
  await storageSource.clear();
  await showStorage();
  announce("Downloads deleted.");
  storage.querySelector("summary")?.focus();
}
