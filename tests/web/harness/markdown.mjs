// The Markdown of this repository: where it is, its headings' anchors, its links, its fenced code.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../../scripts/paths.mjs";

const NOT_OURS = ["node_modules", "target", "dist"];

/** Paths of all documents, from the root. */
export const documents = documentsIn("").sort();

function documentsIn(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name.startsWith(".") || NOT_OURS.includes(entry.name) ? [] : documentsIn(path);
    return entry.name.endsWith(".md") ? [path] : [];
  });
}

export function readDocument(path) {
  return readFileSync(join(root, path), "utf8");
}

const FENCE = /^( *)(```+|~~~+)([^\n]*)\n([^]*?)^\1\2 *$/gm;

/** `{ language, code, line }` of every fenced block; `line` is the number of its first line of code. */
export function codeBlocks(text) {
  return [...text.matchAll(FENCE)].map(({ 3: info, 4: code, index }) => ({
    language: info.trim().split(/\s+/)[0],
    code,
    line: text.slice(0, index).split("\n").length + 1,
  }));
}

/** Targets of links and pictures, outside code. */
export function linksIn(text) {
  const prose = text.replace(FENCE, "").replace(/`[^`\n]*`/g, "");
  const patterns = [/\]\(\s*<?([^)\s>]+)/g, /^\[[^\]]+\]:\s*<?([^\s>]+)/gm, /<(?:a|img)\s[^>]*?(?:href|src)="([^"]+)"/g];
  return patterns.flatMap((pattern) => [...prose.matchAll(pattern)].map((match) => match[1]));
}

/** What a link to a place in the document may say after `#`: its headings, as forges name them, and named anchors. */
export function anchorsIn(text) {
  const prose = text.replace(FENCE, "");
  const seen = new Map();
  const headings = [...prose.matchAll(/^#{1,6} +(.+?) *#* *$/gm)].map(([, heading]) => {
    const slug = slugOf(heading);
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  });
  return new Set([...headings, ...[...prose.matchAll(/<a (?:id|name)="([^"]+)"/g)].map((match) => match[1])]);
}

function slugOf(heading) {
  const words = heading.replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/<[^>]*>/g, "");
  return words.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").replace(/\s/g, "-");
}
