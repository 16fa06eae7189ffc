// Which store there is: the file system where it works, else Cache Storage, else none, each with the reason.

import { openCache } from "./cache.js";
import { openOpfs } from "./opfs.js";
import type { Store, StoreKind } from "./store.js";

export type StoreChoice = "auto" | StoreKind | "none";

export interface OpenedStore {
  store: Store | null;
  /** A sentence for people. */
  reason: string;
}

const PLACES: { kind: StoreKind; name: string; open: () => Promise<Store> }[] = [
  { kind: "opfs", name: "The origin private file system", open: openOpfs },
  { kind: "cache", name: "Cache Storage", open: openCache },
];

export async function openStore(choice: StoreChoice): Promise<OpenedStore> {
  if (choice === "none") return { store: null, reason: "No store was asked for." };
  const troubles: string[] = [];
  for (const { kind, name, open } of PLACES) {
    if (choice !== "auto" && choice !== kind) continue;
    try {
      const store = await open();
      return { store, reason: [...troubles, `${name} keeps the model.`].join(" ") };
    } catch (error) {
      troubles.push(`${name} cannot be used: ${error instanceof Error ? error.message : String(error)}.`);
    }
  }
  return { store: null, reason: troubles.join(" ") };
}

/** Every store of this browser; there may be models in more than one. */
export async function openStores(): Promise<Store[]> {
  const opened = await Promise.allSettled(PLACES.map(({ open }) => open()));
  return opened.flatMap((result) => (result.status === "fulfilled" ? [result.value] : []));
}
