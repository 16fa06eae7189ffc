// Storage: what lies in this browser, how large it is, and a way to be rid of it.

import { storage as kept } from "tenstep";
import { albumSize } from "./album.js";
import { bytesText } from "./bytes.js";
import { isConfirmed } from "./confirm.js";
import { elements } from "./elements.js";
import { showFacts } from "./facts.js";
import { sayModelIsGone } from "./offline.js";
import { announce } from "./status.js";

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
    const [models, size] = await Promise.all([kept.list(), kept.size()]);
    const { pictures, bytes } = albumSize();
    showFacts(storageFacts, [
      ["Album", `${pictures} ${pictures === 1 ? "picture" : "pictures"}, ${bytesText(bytes)}`],
      ...models.map(({ name, bytes: there, totalBytes, isComplete }) => {
        const part = isComplete ? "" : ` of ${bytesText(totalBytes)}`;
        return [`Model ${name}`, `${bytesText(there)}${part}`] as const;
      }),
    ]);
    const allowed = size.quotaBytes === null ? "" : `The browser allows ${bytesText(size.quotaBytes)}. `;
    storageSummary.textContent =
      allowed + (size.persisted ? "It keeps them until you clear them." : "It may clear them when the disk is full.");
    clearStorage.hidden = size.bytes === 0;
  } catch {
    storageSummary.textContent = "This browser does not say what it keeps.";
    clearStorage.hidden = true;
  }
}

async function clear(): Promise<void> {
  const question = "Delete the downloaded model? The album stays. The next visit downloads the model again.";
  if (!(await isConfirmed(question, "Delete downloads"))) return;
  await kept.clear();
  sayModelIsGone();
  await showStorage();
  announce("Downloads deleted.");
  storage.querySelector("summary")?.focus();
}
