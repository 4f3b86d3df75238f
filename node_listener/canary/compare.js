// Compares a saved copy of the page's modules with what capture relies on, what the library asks for and what the page
// guard wraps.
import { GUARDED } from '../src/boundary.js';
import { KNOWN_TYPES, REQUIREMENTS, SWITCHES, shownName } from '../src/compatibility.js';
import { createReader, saysText } from './shapes.js';

/**
 * @typedef {import('../src/compatibility.js').Member} Member
 * @typedef {'there' | 'gone' | 'unread' | 'new'} Answer unread: not found by reading, which proves nothing
 * @typedef {{module: string, member: string, answer: Answer, costs: string | null, seen: string[]}} Row member: empty for
 *   the module itself; seen: where else a member of that name is
 * @typedef {{relies_on: Row[], library: Row[], guard: Row[], switches: Row[], types: Row[]}} Comparison types: of messages;
 *   one that the page has and we do not know is `new`
 */

/** The module that lists the A/B switches, and the list. */
const SWITCH_MODULE = 'WAWebABPropsConfigs';

/** The module that lists the types of messages, and the list. */
const [TYPE_MODULE, TYPE_LIST] = ['WAWebMsgType', 'MSG_TYPE'];

/** Every module that is looked for, in a copy that is whole. @param {Map<string, Set<string>>} library */
export function wantedModules(library) {
  return [
    ...new Set([
      ...REQUIREMENTS.map(({ module }) => module),
      ...library.keys(),
      ...Object.keys(GUARDED),
      SWITCH_MODULE,
      TYPE_MODULE,
    ]),
  ].sort();
}

/**
 * @param {{load: import('./shapes.js').Load}} copy
 * @param {Map<string, Set<string>>} library module -> members
 * @returns {Comparison}
 */
export function compare(copy, library) {
  const reader = createReader(copy.load);

  /**
   * @param {string} module
   * @param {string} path
   * @returns {Answer}
   */
  const find = (module, path) => {
    const found = copy.load(module);
    if (found === null) return 'gone';
    return path === '' ? 'there' : reader.find(found, path).answer;
  };

  /** @param {Member} member @returns {Answer} */
  const findMember = ({ module, name, must, event }) => {
    const answer = find(module, name);
    const found = copy.load(module);
    if (answer !== 'there' || found === null) return answer;
    // The class of an event's functions may be anywhere in its module, and so may the Map in a collection's.
    if (must === 'trigger') return saysText(found, event ?? '') ? 'there' : 'gone';
    if (must === 'hold a Map') return reader.holdsMap(found) ? 'there' : 'gone';
    return 'there';
  };

  /** @returns {Row[]} a type that is gone is no loss */
  const findTypes = () => {
    const found = copy.load(TYPE_MODULE);
    const types = found === null ? [] : reader.texts(found, TYPE_LIST);
    if (types.length === 0) return [row(TYPE_MODULE, TYPE_LIST, found === null ? 'gone' : 'unread')];
    return types.sort().map((type) => row(TYPE_MODULE, type, KNOWN_TYPES.includes(type) ? 'there' : 'new'));
  };

  return {
    relies_on: REQUIREMENTS.map((each) => ({
      module: each.module,
      member: shownName(each),
      answer: best([each, ...(each.or ?? [])].map(findMember)),
      costs: each.costs,
      seen: [],
    })),
    library: [...library].sort().flatMap(([module, paths]) => {
      const members = copy.load(module) === null || paths.size === 0 ? [''] : [...paths].sort();
      return members.map((member) => row(module, member, find(module, member)));
    }),
    guard: Object.entries(GUARDED).flatMap(([module, paths]) => {
      const members = copy.load(module) === null ? [''] : paths;
      return members.map((member) => row(module, member, find(module, member)));
    }),
    switches: SWITCHES.map((name) => row(SWITCH_MODULE, name, find(SWITCH_MODULE, `ABPropConfigs.${name}`))),
    types: findTypes(),
  };
}

/**
 * Adds to what is gone where a member of the same name is now: it may have moved.
 * @param {Comparison} found
 * @param {{load: import('./shapes.js').Load, names: () => string[], text: (module: string) => string}} copy
 * @param {(done: number, all: number) => void} progress
 */
export function addHints(found, copy, progress) {
  const reader = createReader(copy.load);
  const gone = Object.values(found).flatMap((rows) => rows.filter(({ answer }) => answer === 'gone'));
  if (gone.length === 0) return;
  const names = copy.names();
  for (const each of gone.filter(({ member }) => member === ''))
    each.seen.push(...names.filter((name) => isLike(name, each.module)).slice(0, MOST_SEEN));
  const wanted = new Set(gone.map(lastStep).filter((name) => name !== null));
  /** @type {Map<string, string[]>} name -> modules that seem to make a member of it */
  const makers = new Map([...wanted].map((name) => [name, []]));
  names.forEach((module, index) => {
    if (index % 500 === 0) progress(index, names.length);
    const text = copy.text(module);
    for (const [name, modules] of makers) if (text.includes(name) && makes(text, name)) modules.push(module);
  });
  progress(names.length, names.length);
  for (const each of gone) {
    const last = lastStep(each);
    const modules = last === null ? [] : (makers.get(last) ?? []);
    if (modules.length > MOST_MAKERS) continue; // a name like `update` says nothing
    for (const name of modules) {
      const module = copy.load(name);
      const path = module && reader.surface(module).find((member) => member.split('.').at(-1) === last);
      if (module && path && each.seen.length < MOST_SEEN) each.seen.push(`${module.name}.${path}`);
    }
  }
}

/** How many places are told. */
const MOST_SEEN = 5;
/** A name that more modules than this use for a member of theirs is no hint. */
const MOST_MAKERS = 30;

/** Whether a text sets or describes a member of this name. @param {string} text @param {string} name */
function makes(text, name) {
  return new RegExp(`\\b${name}"?\\s*(=[^=]|:|\\()`).test(text);
}

/** Whether one of two names of modules begins with the other. @param {string} name @param {string} gone */
function isLike(name, gone) {
  return name !== gone && name.length > 12 && (name.startsWith(gone) || gone.startsWith(name));
}

/** The name to look for elsewhere; null where it says too little. @param {Row} row */
function lastStep({ member }) {
  const last = member.split('.').at(-1) ?? '';
  return last.length > 3 && /^\w+$/.test(last) ? last : null;
}

/**
 * @param {string} module
 * @param {string} member
 * @param {Answer} answer
 * @returns {Row}
 */
function row(module, member, answer) {
  return { module, member, answer, costs: null, seen: [] };
}

/** One of several ways is enough. @param {Answer[]} answers @returns {Answer} */
function best(answers) {
  if (answers.includes('there')) return 'there';
  return answers.includes('unread') ? 'unread' : 'gone';
}
