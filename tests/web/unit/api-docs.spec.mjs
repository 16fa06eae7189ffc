// The reference in docs/api: everything public is in it and says what it is. That it is up to date is a stage of `npm test`.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { makeApiPages, undocumentedIn } from "../../../scripts/api-docs.mjs";
import { readDeclarations } from "../../../scripts/api-docs/declarations.mjs";
import { pageOf } from "../../../scripts/api-docs/page.mjs";
import { root } from "../../../scripts/paths.mjs";

const { pages, undocumented } = makeApiPages();

test("everything public has a doc comment", () => assert.deepEqual(undocumented, []));

test("every name that index.ts exports is on its page", () => {
  const index = readFileSync(join(root, "www/lib/index.ts"), "utf8");
  const names = [...index.matchAll(/export (?:type )?\{([^}]*)\}/g)].flatMap((match) => match[1].match(/\w+/g));
  assert.ok(names.length > 15, `${names.length} names`);
  const headings = [...pages.get("tenstep.md").matchAll(/^### (\w+)$/gm)].map((match) => match[1]);
  assert.deepEqual([...headings].sort(), [...names].sort());
});

const MODULE = `// A module.

import type { Shape } from "./shape.js";
export type { Shape } from "./shape.js";

/** Draws. See {@link Brush} and {@link Shape}. */
export class Painter extends Array<number> {
  #secret = 1;
  private hidden = 2;
  /** Which one. */
  readonly brush: Brush;
  bare = 3;
  /** @internal */
  constructor(brush: Brush) { super(); this.brush = brush; }
  /** How far it is. */
  get progress(): number { return this.#secret + this.hidden; }
  /**
   * Puts paint on a surface.
   *
   * @throws TenstepError when it is dry.
   */
  async paint(shape: Shape, /* how */ thick?: boolean): Promise<void> { void shape; void thick; }
  /** Buys one. */
  static buy<T extends Brush>(brush: T) { return [brush]; }
}

/** With words. */
export interface Brush {
  /** One | two. */
  width?: "one" | "two";
  clean(how: string): boolean;
}

/** Any of these. */
export type Name =
  /** First. */
  | "a"
  | "b"
  | "c";

/** Which way. */
export type Way =
  /** Up. */
  | "up"
  /** Or down. */
  | "down";

/** Adds. */
export function add(a: number, b: number): number { return a + b; }

/** The most. */
export const MOST = 3;

export const UNSAID = "";

/** All of them. */
export const shelf = {
  /** What is there. */
  async list(): Promise<Brush[]> { return []; },
  clear() {},
};
`;
const SHAPE = `/** Round or not. */\nexport type Shape = {\n  /** Whether. */\n  isRound: boolean;\n};\n`;

const folder = mkdtempSync(join(tmpdir(), "tenstep-api-"));
after(() => rmSync(folder, { recursive: true }));
writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: { module: "nodenext", target: "es2022", strict: true, types: [] } }));
writeFileSync(join(folder, "paint.ts"), MODULE);
writeFileSync(join(folder, "shape.ts"), SHAPE);
const [declarations] = readDeclarations(join(folder, "tsconfig.json"), [join(folder, "paint.ts")]);
const linkTo = (name) => (declarations.some((declaration) => declaration.name === name) ? `#${name.toLowerCase()}` : null);
const page = pageOf({ title: "Paint", declarations, linkTo });

test("what has no doc comment is named, constructors and private members aside", () => {
  assert.deepEqual(declarations.flatMap(undocumentedIn), ["Painter.bare", "Brush.clean", "UNSAID", "shelf.clear"]);
});

test("private, internal and hashed members are left out", () => {
  for (const word of ["secret", "hidden", "internal", "new Painter"]) assert.ok(!page.includes(word), word);
});

test("classes, functions, interfaces, types and constants have their forms", () => {
  const expected = [
    "### Painter\n\nDraws. See [`Brush`](#brush) and [`Shape`](#shape).\n\nExtends `Array<number>`.",
    "| `brush` | [`Brush`](#brush) | Which one. |",
    "| `progress` | `number` | How far it is. |",
    "#### Painter.paint\n\n```ts\npaint(shape: Shape, thick?: boolean): Promise<void>\n```\n\nPuts paint on a surface.\n\n*throws*: TenstepError when it is dry.",
    "```ts\nPainter.buy<T extends Brush>(brush: T): T[]\n```",
    '| `width?` | `"one" \\| "two"` | One \\| two. |',
    "| `clean` | `clean(how: string): boolean` |  |",
    '```ts\ntype Name =\n  | "a"\n  | "b"\n  | "c"\n```',
    '### Way\n\nWhich way.\n\n| Value | Meaning |\n| --- | --- |\n| `"up"` | Up. |\n| `"down"` | Or down. |',
    "```ts\nadd(a: number, b: number): number\n```",
    "```ts\nconst MOST: 3\n```",
    "### shelf\n\nAll of them.\n\n#### shelf.list\n\n```ts\nshelf.list(): Promise<Brush[]>\n```\n\nWhat is there.\n\n#### shelf.clear\n\n```ts\nshelf.clear(): void\n```",
    "### Shape\n\nRound or not.\n\n| Name | Type | Meaning |\n| --- | --- | --- |\n| `isRound` | `boolean` | Whether. |",
  ];
  for (const part of expected) assert.ok(page.includes(part), `${part}\n\nis not in\n\n${page}`);
});
