// Browsers for the tests: Chromium and Firefox, and Mesa's software Vulkan for native tests and for WebGPU in Firefox.

import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { aptInstall, canInstallWithApt } from "./apt.mjs";

const PACKAGES = { chromium: "chromium", firefox: "firefox-esr", lavapipe: "mesa-vulkan-drivers" };
const LAVAPIPE = ["/usr/share/vulkan/icd.d/lvp_icd.x86_64.json", "/usr/share/vulkan/icd.d/lvp_icd.json"];

/** Where the browsers and the driver are, null for what is missing. TENSTEP_CHROMIUM and TENSTEP_FIREFOX name others. */
export function findBrowsers() {
  return {
    chromium: process.env.TENSTEP_CHROMIUM ?? onPath("chromium", "chromium-browser", "google-chrome"),
    firefox: process.env.TENSTEP_FIREFOX ?? onPath("firefox-esr", "firefox"),
    lavapipe: LAVAPIPE.find((path) => existsSync(path)) ?? null,
  };
}

/** Finds all of them, installing what is missing; throws a sentence where that cannot be done. */
export async function setUpBrowsers() {
  const missing = () => Object.entries(findBrowsers()).flatMap(([name, path]) => (path === null ? [PACKAGES[name]] : []));
  if (missing().length > 0 && canInstallWithApt()) {
    await aptInstall(missing(), "the tests run in real browsers, and shaders on a software GPU.");
  }
  if (missing().length > 0) {
    throw new Error(
      `The tests need Debian's ${missing().join(", ")} or the like: install them, or point TENSTEP_CHROMIUM and TENSTEP_FIREFOX at your browsers.`,
    );
  }
  return findBrowsers();
}

function onPath(...names) {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((path) => existsSync(path)) ?? null;
}
