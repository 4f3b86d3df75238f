// What a module of WhatsApp Web exports, found by reading its text: nothing of it runs. The page's modules are minified
// and compiled to old JavaScript, in a few fixed shapes: `l.name = x` for an export, a function that returns a function
// for a class, `i.name = function…` on its prototype, `$InternalEnum({…})` for a table. What has another shape is not
// guessed at: it is open, and a name that is not found in it is not called gone.
import ts from 'typescript';

/**
 * @typedef {{name: string, factory: ts.FunctionExpression | ts.ArrowFunction, parameters: (string | null)[]}} Module
 * @typedef {{module: Module, node: ts.Node, kind: 'value' | 'instance' | 'exports'}} Thing a place where names are: an
 *   expression, the instances of a class, or what a module exports
 * @typedef {{things: Thing[], open: boolean}} Found open: there may be more that reading does not show
 * @typedef {(name: string) => Module | null} Load null: the copy has no such module
 */

/** Of the parameters of a module: require, the default of another module, another module, this module. Its exports are
 * one of those that follow. */
const [REQUIRE, DEFAULT, NAMESPACE, OWN, EXPORTS] = [1, 2, 3, 4, 5];
/** How many steps from one expression to the next are followed. */
const DEEPEST = 60;

/** @type {Found} */
const UNKNOWN = { things: [], open: true };
/** @type {Found} */
const NOTHING = { things: [], open: false };

/**
 * @param {string} text of a file
 * @returns {Module | null} null: it holds no module
 */
export function readModule(text) {
  const source = ts.createSourceFile('module.js', text, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS);
  for (const statement of source.statements) {
    if (!ts.isExpressionStatement(statement)) continue;
    const call = bare(statement.expression);
    if (!ts.isCallExpression(call) || !ts.isIdentifier(call.expression) || call.expression.text !== '__d')
      continue;
    const [name] = call.arguments;
    const factory = call.arguments.find((each) => ts.isFunctionExpression(each) || ts.isArrowFunction(each));
    if (!name || !ts.isStringLiteralLike(name) || !factory) continue;
    const made = /** @type {ts.FunctionExpression} */ (factory);
    const parameters = made.parameters.map(({ name: own }) => (ts.isIdentifier(own) ? own.text : null));
    return { name: name.text, factory: made, parameters };
  }
  return null;
}

/**
 * Whether some text of the module is exactly this one.
 * @param {Module} module
 * @param {string} text
 */
export function saysText({ factory }, text) {
  return Boolean(first(factory, (node) => ts.isStringLiteralLike(node) && node.text === text));
}

/** @param {Load} load */
export function createReader(load) {
  /** @type {Map<string, {members: Map<string, Thing[]>, open: boolean}>} */
  const exportsByName = new Map();

  /**
   * What a module exports. One that exports only a default is that default to whoever requires it.
   * @param {Module} module
   */
  function exportsOf(module) {
    const known = exportsByName.get(module.name);
    if (known) return known;
    /** @type {Map<string, Thing[]>} */
    const members = new Map();
    const found = { members, open: false };
    exportsByName.set(module.name, found); // modules require each other in circles
    const own = module.parameters.slice(EXPORTS);
    visitScope(module.factory, (node) => {
      const [holder, name, value] = assigned(node);
      if (holder === null || name === null || value === null) return;
      const thing = { module, node: value, kind: /** @type {const} */ ('value') };
      const isModule = ts.isIdentifier(holder) && holder.text === module.parameters[OWN];
      if ((ts.isIdentifier(holder) && own.includes(holder.text)) || isOwnExports(holder, module))
        add(members, name, thing);
      else if (isModule && name === 'exports') {
        const whole = everything(resolve(thing));
        for (const [each, things] of whole.members) for (const one of things) add(members, each, one);
        found.open ||= whole.open;
      }
    });
    // What copies from another module, or hands the exports to a function, may export anything.
    found.open ||= own.some((each) => each !== null && usedWhole(module.factory, each));
    return found;
  }

  /**
   * Follows an expression to where its value is made.
   * @param {Thing} thing
   * @param {number} [depth]
   * @returns {Found}
   */
  function resolve(thing, depth = 0) {
    const { module, kind } = thing;
    if (depth > DEEPEST) return UNKNOWN;
    if (kind !== 'value') return { things: [thing], open: false };
    const node = bare(thing.node);
    const follow = (/** @type {ts.Node} */ next) => resolve({ module, node: next, kind: 'value' }, depth + 1);
    if (ts.isIdentifier(node)) return resolveName(node, module, depth);
    if (ts.isBinaryExpression(node)) {
      const { kind: operator } = node.operatorToken;
      if (operator === ts.SyntaxKind.CommaToken || operator === ts.SyntaxKind.EqualsToken)
        return follow(node.right);
      if (CHOICES.has(operator)) return union([follow(node.left), follow(node.right)]);
      return NOTHING;
    }
    if (ts.isConditionalExpression(node)) return union([follow(node.whenTrue), follow(node.whenFalse)]);
    if (ts.isNewExpression(node)) return instances(follow(node.expression));
    if (ts.isPropertyAccessExpression(node)) {
      const { things, open } = follow(node.expression);
      const found = things.map((each) => member(each, node.name.text, depth + 1));
      const known = found.filter((each) => each !== null);
      return known.length > 0 && !open ? union(known) : { ...union(known), open: true };
    }
    if (ts.isCallExpression(node)) return resolveCall(node, module, depth);
    if (isHolder(node)) return { things: [{ module, node, kind: 'value' }], open: false };
    if (ts.isLiteralExpression(node) || LITERALS.has(node.kind)) return NOTHING;
    return UNKNOWN;
  }

  /**
   * @param {ts.Identifier} name
   * @param {Module} module
   * @param {number} depth
   */
  function resolveName(name, module, depth) {
    const scope = scopeOf(name);
    if (scope === null) return name.text === 'undefined' ? NOTHING : UNKNOWN;
    const values = valuesOf(name.text, scope);
    if (values === null || values.length === 0) return UNKNOWN;
    return union(values.map((node) => resolve({ module, node, kind: 'value' }, depth + 1)));
  }

  /**
   * @param {ts.CallExpression} call
   * @param {Module} module
   * @param {number} depth
   * @returns {Found}
   */
  function resolveCall(call, module, depth) {
    const callee = bare(call.expression);
    const follow = (/** @type {ts.Node} */ next) => resolve({ module, node: next, kind: 'value' }, depth + 1);
    const of = requiredBy(call, module);
    if (of) {
      const other = load(of.name);
      if (other === null) return of.name === '$InternalEnum' ? NOTHING : UNKNOWN;
      const whole = {
        things: [{ module: other, node: other.factory, kind: /** @type {const} */ ('exports') }],
      };
      if (of.how !== DEFAULT) return { ...whole, open: false };
      const made = exportsOf(other).members.get('default');
      return made
        ? union(made.map((each) => resolve(each, depth + 1)))
        : { ...whole, open: exportsOf(other).open };
    }
    if (ts.isFunctionExpression(callee) || ts.isArrowFunction(callee)) {
      const returned = returnedBy(callee);
      return returned.length > 0 ? union(returned.map(follow)) : UNKNOWN;
    }
    const said = callee.getText().replace(/\s+/g, '');
    if (MERGES.has(said)) return union(call.arguments.map(follow));
    if (isEnum(callee, module)) {
      const [table] = call.arguments;
      return table ? { things: [{ module, node: bare(table), kind: 'value' }], open: false } : UNKNOWN;
    }
    // Some function of the page makes something of its arguments: what they have is most likely there, and more may be.
    return { ...union(call.arguments.map(follow)), open: true };
  }

  /** @param {Found} classes @returns {Found} */
  function instances({ things, open }) {
    const made = things.filter(
      ({ node, kind }) => kind === 'value' && (isFunction(node) || ts.isClassLike(node)),
    );
    return {
      things: made.map(({ module, node }) => ({ module, node, kind: 'instance' })),
      open: open || made.length < things.length || made.length === 0,
    };
  }

  /** `n("$InternalEnum")`, or a name that it was given, or `.Mirrored` of it. @param {ts.Node} callee @param {Module} module */
  function isEnum(callee, module) {
    let node = bare(callee);
    if (ts.isPropertyAccessExpression(node) && node.name.text === 'Mirrored') node = bare(node.expression);
    if (ts.isBinaryExpression(node)) node = bare(node.right);
    const values = ts.isIdentifier(node)
      ? (valuesOf(node.text, scopeOf(node) ?? module.factory) ?? [])
      : [node];
    return values.some((value) => {
      const call = bare(value);
      return ts.isCallExpression(call) && requiredBy(call, module)?.name === '$InternalEnum';
    });
  }

  /**
   * All the names that a thing has itself, with where their values are made; an instance has those of its parents too.
   * @param {Thing} thing
   * @param {Set<ts.Node>} [seen]
   * @returns {{members: Map<string, Thing[]>, open: boolean}}
   */
  function names({ module, node, kind }, seen = new Set()) {
    if (kind === 'exports') {
      const { members, open } = exportsOf(module);
      const defaults = members.get('default');
      if (!defaults) return { members, open };
      const behind = everything(union(defaults.map((each) => resolve(each))), seen);
      return { members: merged(behind.members, members), open: open || behind.open };
    }
    if (seen.has(node)) return { members: new Map(), open: false };
    seen.add(node);
    if (kind === 'instance') return instanceNames(module, node, seen);
    /** @type {Map<string, Thing[]>} */
    const members = new Map();
    let open = false;
    if (ts.isObjectLiteralExpression(node)) {
      for (const property of node.properties) {
        if (ts.isSpreadAssignment(property)) {
          const spread = everything(resolve({ module, node: property.expression, kind: 'value' }), seen);
          for (const [name, things] of spread.members) for (const each of things) add(members, name, each);
          open ||= spread.open;
          continue;
        }
        const name = property.name && nameOf(property.name);
        if (name === null || name === undefined) open = true;
        else add(members, name, { module, node: propertyValue(property), kind: 'value' });
      }
      for (const [name, value] of staticMembers(node))
        add(members, name, { module, node: value, kind: 'value' });
    } else if (ts.isArrayLiteralExpression(node)) {
      for (const each of node.elements)
        if (ts.isStringLiteralLike(each)) add(members, each.text, { module, node: each, kind: 'value' });
    } else if (isFunction(node) || ts.isClassLike(node)) {
      for (const [name, value] of staticMembers(node))
        add(members, name, { module, node: value, kind: 'value' });
    }
    return { members, open };
  }

  /**
   * @param {Module} module
   * @param {ts.Node} node a class, or the function that is one
   * @param {Set<ts.Node>} seen
   */
  function instanceNames(module, node, seen) {
    /** @type {Map<string, Thing[]>} */
    const members = new Map();
    for (const [name, value] of prototypeMembers(node))
      add(members, name, { module, node: value, kind: 'value' });
    const parent = parentOf(node);
    if (parent === null) return { members, open: false };
    const above = everything(instances(resolve({ module, node: parent, kind: 'value' })), seen);
    return { members: merged(above.members, members), open: above.open };
  }

  /** @param {Found} found @param {Set<ts.Node>} [seen] */
  function everything({ things, open }, seen = new Set()) {
    const all = things.map((each) => names(each, seen));
    return {
      members: all.map(({ members }) => members).reduce(merged, new Map()),
      open: open || all.some((each) => each.open),
    };
  }

  /**
   * @param {Thing} thing
   * @param {string} name
   * @param {number} depth
   * @returns {Found | null} null: it is not among the thing's names
   */
  function member(thing, name, depth) {
    const { members, open } = names(thing);
    const found = members.get(name);
    if (found) return union(found.map((each) => resolve(each, depth)));
    return open ? UNKNOWN : null;
  }

  return {
    /**
     * Whether a module has a member, by the path to it; a `*` at the end of the path stands for any rest of the name.
     * @param {Module} module
     * @param {string} path
     * @returns {{answer: 'there' | 'gone' | 'unread', things: Thing[]}} unread: not found by reading
     */
    find(module, path) {
      /** @type {Found} */
      let at = { things: [{ module, node: module.factory, kind: 'exports' }], open: false };
      for (const step of path.split('.')) {
        const { members, open } = everything(at);
        const wanted = step.endsWith('*')
          ? [...members.keys()].filter((name) => name.startsWith(step.slice(0, -1)))
          : [step].filter((name) => members.has(name));
        if (wanted.length === 0) return { answer: open ? 'unread' : 'gone', things: [] };
        at = union(wanted.flatMap((name) => members.get(name) ?? []).map((each) => resolve(each)));
      }
      return { answer: 'there', things: at.things };
    },

    /** The names that a module exports, and those of what it exports. @param {Module} module */
    surface(module) {
      const { members } = exportsOf(module);
      const inner = [...members].map(([name, things]) => {
        const below = everything(union(things.map((each) => resolve(each)))).members;
        return [...below.keys()].map((each) => (name === 'default' ? each : `${name}.${each}`));
      });
      return [...members.keys(), ...inner.flat()];
    },

    /** The texts that are the values of a table. @param {Module} module @param {string} path to the table */
    texts(module, path) {
      const { members } = everything({ things: this.find(module, path).things, open: false });
      const values = [...members.values()].flat().map(({ node }) => bare(node));
      return values.flatMap((value) => (ts.isStringLiteralLike(value) ? [value.text] : []));
    },

    /** Whether a thing holds a Map of its own. @param {Module} module @param {string} [path] */
    holdsMap(module, path = '') {
      const things = path === '' ? [exported(module)] : this.find(module, path).things;
      const { members } = everything({ things, open: false });
      return [...members.values()].flat().some(({ node }) => {
        const value = bare(node);
        return (
          ts.isNewExpression(value) && ts.isIdentifier(value.expression) && value.expression.text === 'Map'
        );
      });
    },
  };
}

/** @param {Module} module @returns {Thing} */
const exported = (module) => ({ module, node: module.factory, kind: 'exports' });

const CHOICES = new Set([
  ts.SyntaxKind.BarBarToken,
  ts.SyntaxKind.QuestionQuestionToken,
  ts.SyntaxKind.AmpersandAmpersandToken,
]);
const LITERALS = new Set([
  ts.SyntaxKind.TrueKeyword,
  ts.SyntaxKind.FalseKeyword,
  ts.SyntaxKind.NullKeyword,
  ts.SyntaxKind.PrefixUnaryExpression,
  ts.SyntaxKind.VoidExpression,
]);
/** Functions whose result has the names of all their arguments. */
const MERGES = new Set(['Object.freeze', 'Object.assign', 'babelHelpers.extends', 'Object.seal']);

/** @param {Found[]} found @returns {Found} */
function union(found) {
  return { things: found.flatMap(({ things }) => things), open: found.some(({ open }) => open) };
}

/**
 * @param {Map<string, Thing[]>} some
 * @param {Map<string, Thing[]>} over wins where both have a name
 */
function merged(some, over) {
  return new Map([...some, ...over]);
}

/**
 * @param {Map<string, Thing[]>} members
 * @param {string} name
 * @param {Thing} thing
 */
function add(members, name, thing) {
  const known = members.get(name);
  if (known) known.push(thing);
  else members.set(name, [thing]);
}

/** Without parentheses. @param {ts.Node} node @returns {ts.Node} */
function bare(node) {
  let at = node;
  while (ts.isParenthesizedExpression(at)) at = at.expression;
  return at;
}

/**
 * @param {ts.Node} node
 * @returns {node is ts.FunctionLikeDeclaration}
 */
function isFunction(node) {
  return ts.isFunctionExpression(node) || ts.isArrowFunction(node) || ts.isFunctionDeclaration(node);
}

/** @param {ts.Node} node */
function isHolder(node) {
  return (
    isFunction(node) ||
    ts.isClassLike(node) ||
    ts.isObjectLiteralExpression(node) ||
    ts.isArrayLiteralExpression(node) ||
    ts.isMethodDeclaration(node) ||
    ts.isAccessor(node)
  );
}

/** @param {ts.PropertyName} name */
function nameOf(name) {
  return ts.isIdentifier(name) || ts.isStringLiteralLike(name) || ts.isNumericLiteral(name)
    ? name.text
    : null;
}

/** @param {ts.ObjectLiteralElementLike} property */
function propertyValue(property) {
  if (ts.isPropertyAssignment(property)) return property.initializer;
  if (ts.isShorthandPropertyAssignment(property)) return property.name;
  return property;
}

/**
 * `holder.name = value` or `holder["name"] = value`.
 * @param {ts.Node} node
 * @returns {[ts.Node | null, string | null, ts.Node | null]}
 */
function assigned(node) {
  if (!ts.isBinaryExpression(node) || node.operatorToken.kind !== ts.SyntaxKind.EqualsToken)
    return [null, null, null];
  const left = bare(node.left);
  if (ts.isPropertyAccessExpression(left)) return [bare(left.expression), left.name.text, node.right];
  if (ts.isElementAccessExpression(left)) {
    const key = bare(left.argumentExpression);
    return [bare(left.expression), ts.isStringLiteralLike(key) ? key.text : null, node.right];
  }
  return [null, null, null];
}

/** `module.exports`. @param {ts.Node} node @param {Module} module */
function isOwnExports(node, module) {
  return (
    ts.isPropertyAccessExpression(node) &&
    ts.isIdentifier(node.expression) &&
    node.expression.text === module.parameters[OWN] &&
    node.name.text === 'exports'
  );
}

/**
 * The module that a call requires, and how.
 * @param {ts.CallExpression} call
 * @param {Module} module
 */
function requiredBy(call, module) {
  const callee = bare(call.expression);
  const [name] = call.arguments;
  if (!ts.isIdentifier(callee) || !name || !ts.isStringLiteralLike(name)) return null;
  const how = module.parameters.indexOf(callee.text);
  if (how !== REQUIRE && how !== DEFAULT && how !== NAMESPACE) return null;
  return scopeOf(callee) === module.factory ? { name: name.text, how } : null;
}

/**
 * The first node that a test accepts, at any depth.
 * @param {ts.Node} node
 * @param {(node: ts.Node) => boolean} test
 * @returns {ts.Node | undefined}
 */
function first(node, test) {
  return test(node) ? node : ts.forEachChild(node, (child) => first(child, test));
}

/**
 * Visits what runs in a function itself: not in those within it.
 * @param {ts.Node} scope
 * @param {(node: ts.Node) => void} visit
 */
function visitScope(scope, visit) {
  const walk = (/** @type {ts.Node} */ node) => {
    visit(node);
    if (!ts.isFunctionLike(node)) ts.forEachChild(node, walk);
  };
  ts.forEachChild(scope, walk);
}

/** Whether a name is used otherwise than as the holder of a member. @param {ts.Node} scope @param {string} name */
function usedWhole(scope, name) {
  let used = false;
  visitScope(scope, (node) => {
    if (!ts.isIdentifier(node) || node.text !== name || ts.isParameter(node.parent)) return;
    if (ts.isPropertyAccessExpression(node.parent) || ts.isPropertyAssignment(node.parent)) return;
    used = true;
  });
  return used;
}

/** @type {WeakMap<ts.Node, Map<string, ts.Node[] | null>>} */
const declaredIn = new WeakMap();

/**
 * What a function declares, each with the expressions that it is given; null: a parameter that nobody is seen to give.
 * @param {ts.Node} scope
 */
function declarations(scope) {
  const known = declaredIn.get(scope);
  if (known) return known;
  /** @type {Map<string, ts.Node[] | null>} */
  const found = new Map();
  declaredIn.set(scope, found);
  if (isFunction(scope) || ts.isMethodDeclaration(scope)) {
    const given = argumentsOf(scope);
    scope.parameters.forEach(({ name }, index) => {
      if (ts.isIdentifier(name)) found.set(name.text, given?.[index] ? [given[index]] : null);
    });
  }
  visitScope(scope, (node) => {
    if ((ts.isFunctionDeclaration(node) || ts.isClassDeclaration(node)) && node.name)
      found.set(node.name.text, [node]);
    if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name)) {
      const values = found.get(node.name.text) ?? [];
      found.set(node.name.text, node.initializer ? [...values, node.initializer] : values);
    }
  });
  return found;
}

/** What a function that is called where it stands is called with. @param {ts.Node} scope */
function argumentsOf(scope) {
  let at = scope;
  while (at.parent && ts.isParenthesizedExpression(at.parent)) at = at.parent;
  return at.parent && ts.isCallExpression(at.parent) && at.parent.expression === at
    ? at.parent.arguments
    : null;
}

/** The function that declares a name, null if none does. @param {ts.Identifier} name */
function scopeOf(name) {
  for (let at = /** @type {ts.Node | undefined} */ (name.parent); at; at = at.parent) {
    if (ts.isFunctionLike(at) && declarations(at).has(name.text)) return at;
    if (ts.isFunctionExpression(at) && at.name?.text === name.text) return at;
  }
  return null;
}

/**
 * All the expressions that a name is given.
 * @param {string} name
 * @param {ts.Node} scope that declares it
 * @returns {ts.Node[] | null} null: it comes from outside
 */
function valuesOf(name, scope) {
  const declared = declarations(scope).get(name);
  if (declared === null) return null;
  const values = [...(declared ?? [scope])];
  const walk = (/** @type {ts.Node} */ node) => {
    if (node !== scope && ts.isFunctionLike(node) && declarations(node).has(name)) return;
    if (
      ts.isBinaryExpression(node) &&
      node.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
      ts.isIdentifier(node.left) &&
      node.left.text === name
    )
      values.push(node.right);
    ts.forEachChild(node, walk);
  };
  ts.forEachChild(scope, walk);
  return values;
}

/** @param {ts.FunctionExpression | ts.ArrowFunction} made @returns {ts.Node[]} */
function returnedBy(made) {
  if (!ts.isBlock(made.body)) return [made.body];
  /** @type {ts.Node[]} */
  const found = [];
  visitScope(made, (node) => {
    if (ts.isReturnStatement(node) && node.expression) found.push(node.expression);
  });
  return found;
}

/** The name of a class within the function around it. @param {ts.Node} node */
function ownName(node) {
  if ((ts.isClassLike(node) || isFunction(node)) && node.name && ts.isIdentifier(node.name))
    return node.name.text;
  return givenTo(node);
}

/** The function around a node. @param {ts.Node} node */
function around(node) {
  let at = node.parent;
  while (at && !ts.isFunctionLike(at) && !ts.isSourceFile(at)) at = at.parent;
  return at ?? null;
}

/**
 * Members of a class itself: `Name.member = value` beside it, and static ones.
 * @param {ts.Node} node
 * @returns {[string, ts.Node][]}
 */
function staticMembers(node) {
  /** @type {[string, ts.Node][]} */
  const found = [];
  if (ts.isClassLike(node)) {
    for (const each of node.members) {
      const name = each.name && nameOf(/** @type {ts.PropertyName} */ (each.name));
      if (name && isStatic(each)) found.push([name, valueOfMember(each)]);
    }
  }
  for (const { own, scope } of boundTo(node)) {
    visitScope(scope, (each) => {
      const [holder, name, value] = assigned(each);
      if (holder && name && value && ts.isIdentifier(holder) && holder.text === own)
        found.push([name, value]);
    });
  }
  return found;
}

/**
 * The names that hold a class or a table: its own, and outside of a function that is called to make it, the one that it
 * is given there.
 * @param {ts.Node} node
 * @returns {{own: string, scope: ts.Node}[]}
 */
function boundTo(node) {
  const [own, scope] = [ownName(node), around(node)];
  if (scope === null) return [];
  const here = own === null ? [] : [{ own, scope }];
  let call = /** @type {ts.Node} */ (scope);
  while (call.parent && (ts.isParenthesizedExpression(call.parent) || isCalled(call))) call = call.parent;
  const given = ts.isCallExpression(call) ? givenTo(call) : null;
  const outside = around(call);
  return given === null || outside === null ? here : [...here, { own: given, scope: outside }];
}

/** Whether a function is called where it stands. @param {ts.Node} node */
function isCalled(node) {
  return ts.isCallExpression(node.parent) && node.parent.expression === node;
}

/** The variable that an expression is given to. @param {ts.Node} node */
function givenTo(node) {
  let at = node;
  while (ts.isParenthesizedExpression(at.parent)) at = at.parent;
  const { parent } = at;
  if (ts.isVariableDeclaration(parent) && ts.isIdentifier(parent.name)) return parent.name.text;
  return ts.isBinaryExpression(parent) &&
    parent.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
    ts.isIdentifier(parent.left)
    ? parent.left.text
    : null;
}

/**
 * What an instance has: methods on the prototype, and what constructor and methods set on `this`.
 * @param {ts.Node} node
 * @returns {[string, ts.Node][]}
 */
function prototypeMembers(node) {
  /** @type {[string, ts.Node][]} */
  const found = [];
  /** @type {ts.Node[]} functions whose `this` is the instance */
  const methods = [node];
  if (ts.isClassLike(node)) {
    for (const each of node.members) {
      const name = each.name && nameOf(/** @type {ts.PropertyName} */ (each.name));
      if (name && !isStatic(each)) found.push([name, valueOfMember(each)]);
      methods.push(each);
    }
  }
  const [own, scope] = [ownName(node), around(node)];
  if (own !== null && scope !== null) {
    /** @type {Set<string>} */
    const prototypes = new Set();
    visitScope(scope, (each) => {
      const value = ts.isVariableDeclaration(each) ? each.initializer : undefined;
      if (value && ts.isVariableDeclaration(each) && ts.isIdentifier(each.name) && isPrototype(value, own))
        prototypes.add(each.name.text);
      if (
        ts.isBinaryExpression(each) &&
        each.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
        ts.isIdentifier(each.left) &&
        isPrototype(each.right, own)
      )
        prototypes.add(each.left.text);
    });
    visitScope(scope, (each) => {
      const [holder, name, value] = assigned(each);
      if (holder && name && value) {
        const onPrototype = ts.isIdentifier(holder) ? prototypes.has(holder.text) : isPrototype(holder, own);
        if (onPrototype) {
          found.push([name, value]);
          methods.push(bare(value));
        }
      }
      if (ts.isCallExpression(each) && each.expression.getText().endsWith('.createClass'))
        found.push(...describedMembers(each, own));
    });
  }
  for (const method of methods) found.push(...setOnThis(method));
  return found;
}

/** `Name.prototype`. @param {ts.Node} node @param {string} own */
function isPrototype(node, own) {
  const at = bare(node);
  return (
    ts.isPropertyAccessExpression(at) &&
    at.name.text === 'prototype' &&
    ts.isIdentifier(at.expression) &&
    at.expression.text === own
  );
}

/**
 * `createClass(Name, [{key: "member", …}])`: getters, setters.
 * @param {ts.CallExpression} call
 * @param {string} own
 * @returns {[string, ts.Node][]}
 */
function describedMembers(call, own) {
  const [name, list] = call.arguments;
  if (!name || !ts.isIdentifier(name) || name.text !== own || !list || !ts.isArrayLiteralExpression(list))
    return [];
  return list.elements.flatMap((each) => {
    if (!ts.isObjectLiteralExpression(each)) return [];
    const key = each.properties.find((one) => one.name && nameOf(one.name) === 'key');
    const text = key && ts.isPropertyAssignment(key) && ts.isStringLiteralLike(key.initializer);
    return text ? [[/** @type {any} */ (key).initializer.text, each]] : [];
  });
}

/**
 * `this.member = value`, or on a variable that holds `this`, as in constructors: `e = Parent.call(this) || this`.
 * @param {ts.Node} method
 * @returns {[string, ts.Node][]}
 */
function setOnThis(method) {
  /** @type {Set<string>} */
  const selves = new Set();
  /** @type {[string, ts.Node][]} */
  const found = [];
  const holdsThis = (/** @type {ts.Node | undefined} */ value) =>
    value !== undefined && Boolean(first(bare(value), (node) => node.kind === ts.SyntaxKind.ThisKeyword));
  visitScope(method, (node) => {
    if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && holdsThis(node.initializer))
      selves.add(node.name.text);
    if (
      ts.isBinaryExpression(node) &&
      node.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
      ts.isIdentifier(node.left) &&
      holdsThis(node.right)
    )
      selves.add(node.left.text);
    const [holder, name, value] = assigned(node);
    if (!holder || !name || !value) return;
    if (holder.kind === ts.SyntaxKind.ThisKeyword || (ts.isIdentifier(holder) && selves.has(holder.text)))
      found.push([name, value]);
  });
  return found;
}

/** @param {ts.Node} node a class, or the function that is one */
function parentOf(node) {
  if (ts.isClassLike(node)) {
    const clause = node.heritageClauses?.find(({ token }) => token === ts.SyntaxKind.ExtendsKeyword);
    return clause?.types[0]?.expression ?? null;
  }
  const [own, scope] = [ownName(node), around(node)];
  if (own === null || scope === null) return null;
  /** @type {ts.Node | null} */
  let found = null;
  visitScope(scope, (each) => {
    if (!ts.isCallExpression(each) || !/\.inherits(Loose)?$/.test(each.expression.getText())) return;
    const [child, parent] = each.arguments;
    if (child && parent && ts.isIdentifier(child) && child.text === own) found = parent;
  });
  return found;
}

/** @param {ts.ClassElement} element */
function isStatic(element) {
  return Boolean(ts.getCombinedModifierFlags(element) & ts.ModifierFlags.Static);
}

/** @param {ts.ClassElement} element @returns {ts.Node} */
function valueOfMember(element) {
  return ts.isPropertyDeclaration(element) && element.initializer ? element.initializer : element;
}
