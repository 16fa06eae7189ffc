// Declarations as a page of Markdown.

const SECTIONS = [
  { title: "Classes", kinds: ["class"] },
  { title: "Functions", kinds: ["function"] },
  { title: "Constants", kinds: ["constant"] },
  { title: "Options and results", kinds: ["interface"] },
  { title: "Types", kinds: ["type"] },
];
const HOW = "<!-- Made from the types by `npm run docs`. Change the comments in www/lib. -->";

/** The page of one entry point. `linkTo(name)` is the address of a type of this or another page, or null. */
export function pageOf({ title, declarations, linkTo }) {
  const filled = SECTIONS.map(({ title, kinds }) => ({ title, found: declarations.filter(({ kind }) => kinds.includes(kind)) }));
  const sections = filled.filter(({ found }) => found.length > 0);
  const contents = sections.map(({ title, found }) => `- ${title}: ${found.map(({ name }) => `[\`${name}\`](${linkTo(name)})`).join(", ")}`);
  const parts = sections.flatMap(({ title, found }) => [`## ${title}`, ...found.flatMap((declaration) => partsOf(declaration, linkTo))]);
  return `${[HOW, `# ${title}`, contents.join("\n"), ...parts].join("\n\n")}\n`;
}

function partsOf({ kind, name, signature, text, heritage, doc, tags, members }, linkTo) {
  const extended = heritage.length > 0 ? `Extends ${heritage.map((type) => linked(type, linkTo)).join(", ")}.` : "";
  const parts = [`### ${name}`, prose(doc, linkTo), ...tagLines(tags, linkTo), extended];
  if (signature) parts.push(code(signature));
  // What is called on a class or a constant has a heading of its own, to link to.
  const calls = ["class", "constant"].includes(kind) ? members.filter((member) => member.kind !== "property") : [];
  const rows = members.filter((member) => !calls.includes(member));
  if (rows.length > 0) parts.push(table(rows, linkTo));
  else if (text) parts.push(alias(name, text));
  return [...parts, ...calls.flatMap((member) => memberParts(member, linkTo))].filter((part) => part !== "");
}

function memberParts({ owner, name, signature, doc, tags }, linkTo) {
  return [`#### ${owner}.${name}`, code(signature), prose(doc, linkTo), ...tagLines(tags, linkTo)];
}

function table(members, linkTo) {
  const rows = members.map(({ name, kind, type, isOptional, doc }) => {
    const called = kind === "method" ? `${name}${type}` : type;
    return `| \`${name}${isOptional ? "?" : ""}\` | ${cell(linked(called, linkTo))} | ${cell(prose(doc, linkTo))} |`;
  });
  return ["| Name | Type | Meaning |", "| --- | --- | --- |", ...rows].join("\n");
}

function cell(text) {
  return text.replace(/\s*\n\s*/g, " ").replaceAll("|", "\\|");
}

/** Code that leads to the one type of ours that it names, if it names one. */
function linked(source, linkTo) {
  const words = source.replace(/"[^"]*"/g, "").match(/\b[A-Z]\w+\b/g) ?? [];
  const named = [...new Set(words)].filter(linkTo);
  return named.length === 1 ? `[\`${source}\`](${linkTo(named[0])})` : `\`${source}\``;
}

const COMMENT = /\/\*\*?([^]*?)\*\//g;

/** A union has a line for each of its members; where each says what it means, these are a table. */
function alias(name, text) {
  const bare = text.replace(COMMENT, "").replace(/\s+/g, " ").trim();
  const members = bare.replace(/^\| /, "").split(" | ");
  const meanings = [...text.matchAll(COMMENT)].map((match) => match[1].replace(/^\s*\* ?/gm, "").trim());
  if (meanings.length === members.length) {
    const rows = members.map((member, index) => `| \`${member}\` | ${cell(meanings[index])} |`);
    return ["| Value | Meaning |", "| --- | --- |", ...rows].join("\n");
  }
  return code(members.length < 3 ? `type ${name} = ${bare}` : `type ${name} =\n${members.map((member) => `  | ${member}`).join("\n")}`);
}

/** `{@link Name}` as a link. */
function prose(doc, linkTo) {
  return doc.replace(/\{@link (\w+)\}/g, (_, name) => (linkTo(name) ? `[\`${name}\`](${linkTo(name)})` : `\`${name}\``));
}

function tagLines(tags, linkTo) {
  return tags.map(({ tag, text }) => (tag === "example" ? text : `*${tag}*: ${prose(text, linkTo)}`));
}

function code(source) {
  return `\`\`\`ts\n${source}\n\`\`\``;
}
