// The files that the page is made of, as the build found them.

declare const self: ServiceWorkerGlobalScope;

export interface ShellFile {
  /** Below the service worker's scope. */
  path: string;
  /** Hexadecimal. */
  sha256: string;
  /** Which engine the file belongs to; absent for what every visit needs. */
  backend?: string;
}

/** Put in place by the build: scripts/service-worker.mjs. */
declare const SHELL_FILES: ShellFile[];
/** Changes with any of the files. */
declare const SHELL_VERSION: string;

export const VERSION = SHELL_VERSION;

const PAGE = "index.html";

/** The page itself is asked for by its folder's address, as people do: some servers redirect from its name. */
export function addressOf({ path }: ShellFile): string {
  return new URL(path === PAGE ? "./" : path, self.registration.scope).href;
}

/** What every visit needs, and the engines of `backends`. */
export function filesFor(backends: Iterable<string>): ShellFile[] {
  const wanted = new Set(backends);
  return SHELL_FILES.filter(({ backend }) => backend === undefined || wanted.has(backend));
}

/** Engines by the backend that they are for. */
export function engines(): Map<string, ShellFile[]> {
  const all = new Map<string, ShellFile[]>();
  for (const file of SHELL_FILES) {
    if (file.backend !== undefined) all.set(file.backend, [...(all.get(file.backend) ?? []), file]);
  }
  return all;
}

/** Whether an address may be of the page, in this version or another. Models are large, and kept by the package. */
export function isOurs(address: string): boolean {
  const path = pathBelowScope(address);
  return path !== undefined && !path.startsWith("models/");
}

/** The file at an address, its query and fragment aside; undefined for whatever is no part of this version. */
export function fileAt(address: string): ShellFile | undefined {
  const path = pathBelowScope(address);
  return path === undefined ? undefined : SHELL_FILES.find((file) => file.path === (path || PAGE));
}

function pathBelowScope(address: string): string | undefined {
  const { origin, pathname } = new URL(address);
  const scope = new URL(self.registration.scope);
  if (origin !== scope.origin || !pathname.startsWith(scope.pathname)) return undefined;
  return pathname.slice(scope.pathname.length);
}
