// The album: every picture that was made, newest first, kept from visit to visit. Open one again, compare it with the one on
// show, delete it, or clear all.

import { AlbumStore, MAX_ENTRIES, type Kept } from "./album-store.js";
import { isConfirmed } from "./confirm.js";
import { elements } from "./elements.js";
import { subjectOf, type Entry } from "./entry.js";
import { stampItem } from "./stamp.js";
import { announce } from "./status.js";

const { album, albumEmpty, albumHelp, albumMore, albumTitle, clearAlbum } = elements;

/** Shown before somebody asks for all. */
const FIRST = 24;

const COMPARE = "M4 5h7v14H4z M13 5h7v14h-7z";
const DELETE = "M6 6l12 12 M18 6L6 18";

interface Actions {
  open(entry: Entry): void;
  compare(entry: Entry): void;
}

const store = AlbumStore.open();
let entries: Kept[] = [];
let isWhole = false;
let actions: Actions;
const items = new Map<number, HTMLLIElement>();

/** Fills the album with what earlier visits left. */
export async function connectAlbum(withActions: Actions): Promise<void> {
  actions = withActions;
  clearAlbum.addEventListener("click", () => void clear());
  albumMore.addEventListener("click", () => {
    isWhole = true;
    render();
    (album.children[FIRST]?.querySelector("button") ?? albumTitle).focus();
  });
  const kept = await (await store).all();
  // A picture may have been made meanwhile.
  const known = new Set(entries.map(({ id }) => id));
  entries = [...entries, ...kept.filter(({ id }) => !known.has(id))];
  render();
}

/** Puts a picture that was just made in front. */
export async function addToAlbum(entry: Entry): Promise<void> {
  const kept = await (await store).add(entry);
  entries = [kept, ...entries].slice(0, MAX_ENTRIES);
  render();
}

/** How many pictures the album holds, and their bytes. */
export function albumSize(): { pictures: number; bytes: number } {
  return { pictures: entries.length, bytes: entries.reduce((sum, { png }) => sum + png.size, 0) };
}

async function clear(): Promise<void> {
  const count = picturesText(entries.length);
  if (!(await isConfirmed(`Delete ${count} from this browser? This cannot be undone.`, `Delete ${count}`))) return;
  await (await store).clear();
  entries = [];
  render();
  announce("The album is empty.");
  albumTitle.focus();
}

async function remove(entry: Kept): Promise<void> {
  const at = entries.indexOf(entry);
  await (await store).delete(entry.id);
  entries = entries.filter(({ id }) => id !== entry.id);
  render();
  announce("Picture deleted.");
  // The keyboard goes on to the picture that took its place.
  const next = entries[Math.min(at, entries.length - 1)];
  (items.get(next?.id ?? 0)?.querySelector<HTMLElement>(".delete") ?? albumTitle).focus();
}

async function render(): Promise<void> {
  const shown = isWhole ? entries : entries.slice(0, FIRST);
  for (const id of [...items.keys()]) if (!shown.some((entry) => entry.id === id)) items.delete(id);
  for (const entry of shown) if (!items.has(entry.id)) items.set(entry.id, itemOf(entry));
  album.replaceChildren(...shown.map(({ id }) => items.get(id) as HTMLLIElement));
  albumEmpty.hidden = entries.length > 0;
  clearAlbum.hidden = entries.length === 0;
  albumMore.hidden = shown.length === entries.length;
  albumMore.textContent = `Show all ${entries.length}`;
  albumHelp.textContent = (await store).isLasting
    ? `The newest ${MAX_ENTRIES} pictures stay in this browser.`
    : "This browser keeps no more pictures: the latest are gone when the page is closed. Download what you want to keep.";
}

function itemOf(entry: Kept): HTMLLIElement {
  const item = stampItem(entry, subjectOf(entry.settings, 60), () => actions.open(entry));
  const name = `“${subjectOf(entry.settings, 60)}”, seed ${entry.settings.seed}`;
  const tools = document.createElement("div");
  tools.className = "tools";
  tools.append(
    tool("compare", `Compare ${name}, with the picture on show`, COMPARE, () => actions.compare(entry)),
    tool("delete", `Delete ${name}`, DELETE, () => void remove(entry)),
  );
  item.append(tools);
  return item;
}

function tool(className: string, name: string, path: string, act: () => void): HTMLButtonElement {
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("aria-hidden", "true");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
  line.setAttribute("d", path);
  drawing.append(line);
  const button = document.createElement("button");
  button.type = "button";
  button.className = className;
  button.title = name;
  button.setAttribute("aria-label", name);
  button.append(drawing);
  button.addEventListener("click", act);
  return button;
}

function picturesText(count: number): string {
  return count === 1 ? "the picture" : `all ${count} pictures`;
}
