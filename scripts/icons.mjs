// The page's icons as PNG, drawn from www/app/icon.svg by Chromium: `node scripts/icons.mjs` after the drawing changed.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { launchChromium } from "../tests/web/harness/browsers.mjs";
import { asProgram, say } from "./command.mjs";
import { root } from "./paths.mjs";

const folder = join(root, "www", "app");

/** A maskable icon is cut to any shape: its ground fills the square, and what matters lies within 80 % of it. */
const ICONS = [
  { file: "icon-192.png", size: 192, maskable: false },
  { file: "icon-512.png", size: 512, maskable: false },
  { file: "icon-maskable-512.png", size: 512, maskable: true },
];

async function drawIcons() {
  const svg = readFileSync(join(folder, "icon.svg"), "utf8");
  const ground = /<rect[^>]* fill="([^"]+)"/.exec(svg)[1];
  const chromium = await launchChromium({ webgpu: false });
  try {
    for (const { file, size, maskable } of ICONS) {
      const page = await chromium.browser.newPage({ viewport: { width: size, height: size } });
      // Whole pixels, and as many on each side.
      const side = maskable ? 2 * Math.floor(0.4 * size) : size;
      await page.setContent(
        `<!doctype html><style>html { background: ${maskable ? ground : "transparent"} } body { margin: ${(size - side) / 2}px }
        svg { display: block; width: ${side}px; height: ${side}px }</style>${svg}`,
      );
      await page.screenshot({ path: join(folder, file), omitBackground: true });
      await page.close();
      say(`Drew ${file}`);
    }
  } finally {
    await chromium.close();
  }
}

await asProgram(import.meta.url, drawIcons);
