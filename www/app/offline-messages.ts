// What a page and its service worker say to each other.

/** `keep` comes with a port for the answer; `activate` goes to a waiting version, which has none. */
export type ToServiceWorker = { type: "keep"; backend: string } | { type: "activate" };

/** What is still not kept of the page with this backend, after trying; with the reason, where trying failed. */
export interface Kept {
  /** Paths below the page. Empty: the page works without a network. */
  missing: string[];
  /** A sentence's rest for people. */
  reason?: string;
}
