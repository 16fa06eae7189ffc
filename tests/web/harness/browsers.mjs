// The two browsers, each with a WebGPU on the CPU and without one, behind the same few calls.

import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { findBrowsers } from "../../../scripts/setup/browsers.mjs";

const CHROMIUM_FLAGS = [
  "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
  // A crashed GPU process comes back however often tests crash it.
  "--disable-gpu-process-crash-limit", "--disable-domain-blocking-for-3d-apis",
];
const SWIFTSHADER_FLAGS = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader"];
/** Headless Chromium keeps to the CPU unless it is told. */
const HARDWARE_FLAGS = ["--enable-unsafe-webgpu", "--ignore-gpu-blocklist", "--enable-gpu", "--enable-features=Vulkan"];
const FIREFOX_WEBGPU_PREFERENCES = {
  "dom.webgpu.enabled": true,
  "dom.webgpu.workers.enabled": true,
  "gfx.webgpu.ignore-blocklist": true,
};

/**
 * Chromium; with `webgpu`, on SwiftShader or the machine's GPU (`adapter: "hardware"`), else without an adapter. Resolves to
 * `{ name, open(url), close(), browser }`.
 */
export async function launchChromium({ webgpu, adapter = "software" }) {
  const { chromium } = await import("playwright-core");
  const gpuFlags = adapter === "software" ? SWIFTSHADER_FLAGS : HARDWARE_FLAGS;
  const browser = await chromium.launch({
    executablePath: required("chromium"),
    args: [...CHROMIUM_FLAGS, ...(webgpu ? gpuFlags : [])],
  });
  return {
    name: "Chromium",
    browser,
    open: async (url) => opened(await browser.newPage(), url),
    close: () => browser.close(),
  };
}

/** Chromium whose pages hide each other, as a person's tabs do: Playwright has all of them seen. */
export async function launchChromiumWithTabs({ webgpu }) {
  const { default: puppeteer } = await import("puppeteer-core");
  const browser = await puppeteer.launch({
    executablePath: required("chromium"),
    headless: true,
    args: [...CHROMIUM_FLAGS, ...(webgpu ? SWIFTSHADER_FLAGS : [])],
    protocolTimeout: 600_000,
  });
  return {
    name: "Chromium",
    browser,
    open: async (url) => opened(await browser.newPage(), url),
    close: () => browser.close(),
  };
}

/** Chromium without WebGPU on a profile that outlives it: a Playwright context, whose `close` ends the browser. */
export async function launchChromiumOn(profile) {
  const { chromium } = await import("playwright-core");
  return chromium.launchPersistentContext(profile, { executablePath: required("chromium"), args: CHROMIUM_FLAGS });
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

/**
 * Chromium on SwiftShader without a debugger, which would keep what the page receives in the page's own process. Resolves
 * to `{ processes(type), close() }`, where `processes` gives the ids of those of a type, `renderer` or `gpu-process`. The page has
 * to report by itself.
 */
export function spawnChromium(url) {
  const profile = mkdtempSync(join(tmpdir(), "tenstep-chromium-"));
  const flags = ["--headless", ...CHROMIUM_FLAGS, ...SWIFTSHADER_FLAGS, `--user-data-dir=${profile}`];
  const chromium = spawn(required("chromium"), [...flags, url], { stdio: "ignore" });
  const ended = new Promise((resolve) => chromium.on("close", resolve));
  const processes = (...parts) =>
    readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && [profile, ...parts].every((part) => commandLine(pid).includes(part)));
  return {
    processes: (type) => processes(`--type=${type}`),
    close: async () => {
      chromium.kill();
      await ended;
      // Its children outlive it by a moment, and write to the profile.
      while (processes().length > 0) await setTimeout(50);
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** Empty for a process that has ended meanwhile. */
function commandLine(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
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

/** A real loss: `device.destroy()` would be none. */
export async function crashGpuProcess(browser) {
  const session = await browser.newBrowserCDPSession();
  await session.send("Browser.crashGpuProcess");
}
