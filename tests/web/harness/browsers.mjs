// The two browsers, each with a WebGPU on the CPU and without one, behind the same few calls.

import { tmpdir } from "node:os";
import { findBrowsers } from "../../../scripts/setup/browsers.mjs";

const CHROMIUM_FLAGS = [
  "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
  // A crashed GPU process comes back however often tests crash it.
  "--disable-gpu-process-crash-limit", "--disable-domain-blocking-for-3d-apis",
];
const SWIFTSHADER_FLAGS = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
const FIREFOX_WEBGPU_PREFERENCES = {
  "dom.webgpu.enabled": true,
  "dom.webgpu.workers.enabled": true,
  "gfx.webgpu.ignore-blocklist": true,
};

/** Chromium; with `webgpu`, on SwiftShader, else without an adapter. Resolves to `{ name, open(url), close(), browser }`. */
export async function launchChromium({ webgpu }) {
  const { chromium } = await import("playwright-core");
  const browser = await chromium.launch({
    executablePath: required("chromium"),
    args: [...CHROMIUM_FLAGS, ...(webgpu ? SWIFTSHADER_FLAGS : [])],
  });
  return {
    name: "Chromium",
    browser,
    open: async (url) => opened(await browser.newPage(), url),
    close: () => browser.close(),
  };
}

/** Firefox; with `webgpu`, on lavapipe, else as it comes: without `navigator.gpu`. */
export async function launchFirefox({ webgpu }) {
  const { default: puppeteer } = await import("puppeteer-core");
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: required("firefox"),
    protocol: "webDriverBiDi",
    headless: true,
    ...(webgpu && { extraPrefsFirefox: FIREFOX_WEBGPU_PREFERENCES }),
    env: { ...process.env, ...(webgpu && { VK_DRIVER_FILES: required("lavapipe"), XDG_RUNTIME_DIR: tmpdir() }) },
    protocolTimeout: 600_000,
  });
  return {
    name: "Firefox",
    browser,
    open: async (url) => opened(await browser.newPage(), url),
    close: () => browser.close(),
  };
}

async function opened(page, url) {
  // Each test has its own limit; a second one would hide what it was waiting for.
  page.setDefaultTimeout(0);
  await page.goto(url);
  await page.waitForFunction(() => window.isReady);
  return page;
}

function required(name) {
  const path = findBrowsers()[name];
  if (path === null) throw new Error(`${name} is missing; "npm test" installs it where it can`);
  return path;
}
