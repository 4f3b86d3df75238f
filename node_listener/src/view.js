// The read-only view of the client, used instead of the library's objects. Data can be read and methods on the allow-list
// called; everything else throws and is reported. What a method or an event returns is a view too, so that no message,
// chat or contact leads back to a method that sends.
import { EventEmitter } from 'node:events';
import { READS } from './method-lists.js';

/** The readable data of a Client. Its other properties (page, browser, options, listeners) would let a reader send after all. */
const CLIENT_DATA = new Set(['info']);
/** Properties that lead from an object of the library back to its client or class; they read as undefined. */
const HIDDEN = new Set(['client', 'constructor', '__proto__', 'prototype']);

/**
 * A read-only view of an object of the library. A refused method is reported and throws when it is called, not when it is read.
 * @param {object} target
 * @param {(className: string, method: string) => void} refused called at each refusal, before it throws
 * @returns {any}
 */
export function readOnlyView(target, refused) {
  const classes = classNames(target);
  const isClient = classes.includes('Client');
  const className = classes[0] ?? 'Object';

  /** @param {string} method */
  const refuse = (method) => () => {
    refused(className, method);
    throw new Error(`leadmasterd only listens: ${className}.${method} was refused`);
  };

  return new Proxy(Object.create(null), {
    get(_, key) {
      // a view is not a promise, and can be printed
      if (typeof key === 'symbol' || key === 'then' || HIDDEN.has(key)) return undefined;
      if (isClient && (key === 'on' || key === 'once')) {
        return (/** @type {string} */ event, /** @type {(...args: any[]) => void} */ listener) => {
          const emitter = /** @type {EventEmitter} */ (target);
          emitter[key](event, (/** @type {any[]} */ ...args) =>
            listener(...args.map((arg) => viewed(arg, refused))),
          );
        };
      }
      const value = Reflect.get(target, key);
      if (typeof value === 'function') {
        const isRead = classes.some((known) => READS[known]?.includes(key));
        if (!isRead) return refuse(key);
        return (/** @type {unknown[]} */ ...args) => viewed(value.apply(target, args), refused);
      }
      if (isClient && !CLIENT_DATA.has(key)) return undefined;
      return viewed(value, refused);
    },
    // writing is refused as a call is, at once
    set(_, key) {
      return refuse(String(key))();
    },
    defineProperty(_, key) {
      return refuse(String(key))();
    },
    deleteProperty(_, key) {
      return refuse(String(key))();
    },
    has: (_, key) => typeof key === 'string' && !HIDDEN.has(key) && key in target,
    getPrototypeOf: () => null,
  });
}

/**
 * What a view gives out: objects of the library as views, also within lists and promises; plain data as it is.
 * @param {any} value
 * @param {(className: string, method: string) => void} refused
 * @returns {any}
 */
function viewed(value, refused) {
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Promise) return value.then((result) => viewed(result, refused));
  if (Array.isArray(value)) return value.map((item) => viewed(item, refused));
  const prototype = Object.getPrototypeOf(value);
  const isPlain = prototype === Object.prototype || prototype === null;
  return isPlain ? value : readOnlyView(value, refused);
}

/**
 * @param {object} target
 * @returns {string[]} its class and those that it extends, without EventEmitter and Object; empty for a plain object
 */
function classNames(target) {
  const names = [];
  let prototype = Object.getPrototypeOf(target);
  while (prototype && prototype !== Object.prototype && prototype !== EventEmitter.prototype) {
    names.push(prototype.constructor.name);
    prototype = Object.getPrototypeOf(prototype);
  }
  return names;
}
