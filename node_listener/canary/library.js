// Which modules and members of WhatsApp Web the library asks for, found by reading its source.
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import ts from 'typescript';

/** @type {ReturnType<typeof readFolder> | null} */
let read = null;

/** What the installed library asks for; read once, since it does not change. */
export function readLibrary() {
  const { resolve } = createRequire(import.meta.url);
  read ??= readFolder(join(dirname(resolve('whatsapp-web.js/package.json')), 'src'));
  return read;
}

/**
 * @param {string} folder of the library's source
 * @returns {Map<string, Set<string>>} module -> paths of members; a module of which no member is named has none
 */
function readFolder(folder) {
  /** @type {Map<string, Set<string>>} */
  const asked = new Map();
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.js'),
  );
  for (const name of files) readFile(readFileSync(join(folder, name), 'utf8'), asked);
  return asked;
}

/**
 * @param {string} text
 * @param {Map<string, Set<string>>} asked
 */
function readFile(text, asked) {
  const source = ts.createSourceFile('library.js', text, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS);
  const walk = (/** @type {ts.Node} */ node) => {
    if (ts.isCallExpression(node)) readRequire(node, asked);
    if (ts.isObjectLiteralExpression(node)) readTarget(node, asked);
    ts.forEachChild(node, walk);
  };
  walk(source);
}

/**
 * `window.require('Module').member.member`, also by way of a variable.
 * @param {ts.CallExpression} call
 * @param {Map<string, Set<string>>} asked
 */
function readRequire(call, asked) {
  const [name] = call.arguments;
  const callee = call.expression.getText().replace(/\s+/g, '');
  if (!/^(window\.)?require$/.test(callee) || !name || !ts.isStringLiteralLike(name)) return;
  if (!/^WA/.test(name.text)) return; // one of Node's modules
  const paths = asked.get(name.text) ?? new Set();
  asked.set(name.text, paths);
  for (const path of pathsFrom(call)) paths.add(path.join('.'));
}

/**
 * `{ module: 'Module', function: 'member.member' }`, what injectToFunction wraps.
 * @param {ts.ObjectLiteralExpression} node
 * @param {Map<string, Set<string>>} asked
 */
function readTarget(node, asked) {
  /** @param {string} key */
  const textOf = (key) => {
    const found = node.properties.find((each) => each.name?.getText() === key);
    return found && ts.isPropertyAssignment(found) && ts.isStringLiteralLike(found.initializer)
      ? found.initializer.text
      : null;
  };
  const [module, path] = [textOf('module'), textOf('function')];
  if (module === null || path === null) return;
  asked.set(module, (asked.get(module) ?? new Set()).add(path));
}

/**
 * The paths of members that are read from an expression.
 * @param {ts.Node} expression
 * @param {string[]} [before]
 * @returns {string[][]}
 */
function pathsFrom(expression, before = []) {
  let at = expression;
  const path = [...before];
  while (ts.isParenthesizedExpression(at.parent) || isMemberOf(at.parent, at)) {
    at = at.parent;
    if (ts.isPropertyAccessExpression(at)) path.push(at.name.text);
  }
  const { parent } = at;
  if (ts.isVariableDeclaration(parent) && parent.initializer === at)
    return pathsOfVariable(parent.name, path);
  return path.length > 0 ? [path] : [];
}

/** @param {ts.Node} node @param {ts.Node} of */
function isMemberOf(node, of) {
  return ts.isPropertyAccessExpression(node) && node.expression === of;
}

/**
 * @param {ts.BindingName} name
 * @param {string[]} path
 * @returns {string[][]}
 */
function pathsOfVariable(name, path) {
  if (ts.isIdentifier(name)) {
    const uses = usesOf(name);
    const found = uses.flatMap((use) => pathsFrom(use, path));
    return found.length > 0 || path.length === 0 ? found : [path];
  }
  return name.elements.flatMap((each) => {
    if (!ts.isBindingElement(each) || each.dotDotDotToken) return [];
    const key = each.propertyName ?? each.name;
    return ts.isIdentifier(key) ? pathsOfVariable(each.name, [...path, key.text]) : [];
  });
}

/**
 * Where a variable is read, in the function that declares it.
 * @param {ts.Identifier} name
 */
function usesOf(name) {
  let scope = /** @type {ts.Node} */ (name);
  while (!ts.isFunctionLike(scope) && !ts.isSourceFile(scope)) scope = scope.parent;
  /** @type {ts.Identifier[]} */
  const found = [];
  const walk = (/** @type {ts.Node} */ node) => {
    const isName = ts.isPropertyAccessExpression(node.parent) && node.parent.name === node;
    if (ts.isIdentifier(node) && node.text === name.text && node !== name && !isName) found.push(node);
    ts.forEachChild(node, walk);
  };
  ts.forEachChild(scope, walk);
  return found;
}
