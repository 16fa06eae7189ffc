// What an entry point of the package exports, read with the compiler: names, signatures as they are written, doc comments.
//
// TypeScript 7 marks its API unstable; package.json names the exact version, so a change of it shows in a change of ours.

import { resolve } from "node:path";
import { SyntaxKind } from "typescript/unstable/ast";
import { API, NodeBuilderFlags, SymbolFlags } from "typescript/unstable/sync";
import { root } from "../paths.mjs";

/**
 * The exports of each module, in their order: `{ kind, name, signature, text, heritage, doc, tags, members }`. Kinds are
 * `class`, `function`, `constant`, `interface` and `type`; members, of kind `constructor`, `method` and `property`, are
 * `{ kind, name, owner, signature, type, isOptional, doc, tags }`.
 */
export function readDeclarations(project, modules) {
  const api = new API({ cwd: root });
  const snapshot = api.updateSnapshot({ openProjects: [resolve(root, project)] });
  try {
    const { program, checker } = snapshot.getProjects()[0];
    return modules.map((module) => {
      const file = program.getSourceFile(resolve(root, module));
      if (!file) throw new Error(`${module} is not part of ${project}`);
      return checker.getExportsOfModule(checker.getSymbolAtLocation(file)).map((symbol) => {
        const target = symbol.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
        return declarationOf(symbol.name, target.declarations[0].resolve(), checker);
      });
    });
  } finally {
    snapshot.dispose();
    api.close();
  }
}

const KINDS = new Map([
  [SyntaxKind.ClassDeclaration, "class"],
  [SyntaxKind.FunctionDeclaration, "function"],
  [SyntaxKind.VariableDeclaration, "constant"],
  [SyntaxKind.InterfaceDeclaration, "interface"],
  [SyntaxKind.TypeAliasDeclaration, "type"],
]);

function declarationOf(name, node, checker) {
  const kind = KINDS.get(node.kind);
  if (!kind) throw new Error(`${name}: the reference has no form for a ${SyntaxKind[node.kind]}`);
  // A constant's comment belongs to the statement around it.
  const documented = kind === "constant" ? node.parent.parent : node;
  return {
    kind,
    name,
    signature: signatureOf(kind, name, node, checker),
    // With the comment before the first member of a union.
    text: kind === "type" ? node.getSourceFile().text.slice(node.type.pos, node.type.end).trim() : null,
    heritage: [...(node.heritageClauses ?? [])].flatMap((clause) => [...clause.types].map((type) => type.getText())),
    ...commentOf(documented),
    members: membersOf(node).filter(isPublic).map((member) => memberOf(member, name, checker)),
  };
}

function signatureOf(kind, name, node, checker) {
  if (kind === "function") return `${name}${callSignature(node, checker)}`;
  // One that is written as an object is described by its members.
  return kind === "constant" && membersOf(node).length === 0 ? `const ${name}: ${typeOf(node, checker)}` : null;
}

/** Of a class or an interface, or of a type or a constant that is written as an object. */
function membersOf(node) {
  return [...(node.members ?? node.type?.members ?? node.initializer?.properties ?? [])];
}

function isPublic(member) {
  if (has(member, SyntaxKind.PrivateKeyword) || has(member, SyntaxKind.ProtectedKeyword)) return false;
  return member.name?.kind !== SyntaxKind.PrivateIdentifier && !commentOf(member).tags.some(({ tag }) => tag === "internal");
}

function has(member, modifier) {
  return [...(member.modifiers ?? [])].some(({ kind }) => kind === modifier);
}

const CALLS = [SyntaxKind.MethodDeclaration, SyntaxKind.MethodSignature, SyntaxKind.Constructor];

function memberOf(member, owner, checker) {
  const isConstructor = member.kind === SyntaxKind.Constructor;
  if (!isConstructor && !member.name) throw new Error(`${owner}: the reference has no form for a ${SyntaxKind[member.kind]}`);
  const name = isConstructor ? "constructor" : member.name.getText();
  const isCall = CALLS.includes(member.kind);
  const type = isCall ? callSignature(member, checker) : typeOf(member, checker);
  const isOfOwner = has(member, SyntaxKind.StaticKeyword) || member.parent.kind === SyntaxKind.ObjectLiteralExpression;
  const called = isConstructor ? `new ${owner}` : isOfOwner ? `${owner}.${name}` : name;
  return {
    kind: isConstructor ? "constructor" : isCall ? "method" : "property",
    name,
    owner,
    signature: isCall ? `${called}${type}` : `${name}: ${type}`,
    type,
    isOptional: member.postfixToken?.kind === SyntaxKind.QuestionToken,
    ...commentOf(member),
  };
}

/** `(options: LoadOptions): Promise<Tenstep>`. A constructor's ends at the bracket. */
function callSignature(node, checker) {
  const parameters = `(${[...node.parameters].map((parameter) => oneLine(parameter.getText())).join(", ")})`;
  if (node.kind === SyntaxKind.Constructor) return parameters;
  const returned = node.type
    ? oneLine(node.type.getText())
    : inFull(checker.getReturnTypeOfSignature(checker.getSignatureFromDeclaration(node)), checker);
  const generic = [...(node.typeParameters ?? [])].map((parameter) => parameter.getText()).join(", ");
  return `${generic && `<${generic}>`}${parameters}: ${returned}`;
}

function typeOf(node, checker) {
  return node.type ? oneLine(node.type.getText()) : inFull(checker.getTypeAtLocation(node), checker);
}

function inFull(type, checker) {
  return checker.typeToString(type, undefined, NodeBuilderFlags.NoTruncation);
}

function oneLine(code) {
  return code.replace(/\/\*[^]*?\*\//g, "").replace(/\s+/g, " ").trim();
}

/** A doc comment as its text and its tags: `{ doc, tags: [{ tag, text }] }`. */
function commentOf(node) {
  // The text of the first comment of a file begins with what stands above it.
  const comment = /\/\*\*(?:(?!\/\*\*)[^])*$/.exec(node.jsDoc?.at(-1)?.getText() ?? "")?.[0] ?? "";
  const lines = comment.replace(/^\/\*\*|\*\/$/g, "").split("\n").map((line) => line.replace(/^\s*\* ?/, "").trimEnd());
  const [doc, ...tags] = lines.join("\n").trim().split(/^@/m);
  return {
    doc: doc.trim(),
    tags: tags.map((text) => ({ tag: /^\w+/.exec(text)[0], text: text.replace(/^\w+\s*/, "").trim() })),
  };
}
