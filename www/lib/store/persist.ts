// Asking the browser not to evict what is kept. Only pages may ask.

/** Asks where the browser decides by itself. Firefox would ask the person, who knows of nothing yet: a page can, by `storage.persist()`. */
export async function askToPersist(): Promise<boolean> {
  try {
    const { storage, userAgent } = navigator;
    return /firefox/i.test(userAgent) ? await storage.persisted() : await storage.persist();
  } catch {
    return false;
  }
}
