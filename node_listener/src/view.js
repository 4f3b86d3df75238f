// The read-only view of the client, used instead of the library's objects. Data can be read and methods on the allow-list
// called; everything else throws and is reported. What a method or an event returns is a view too, so that no message,
// chat or contact leads back to a method that sends.
import { EventEmitter } from 'node:events';
import { READS } from './method-lists.js';

/** The readable data of a Client. The rest (page, browser, options, listeners) would lead around the view. */
const CLIENT_DATA = new Set(['info']);
/** These lead from every structure back to the client. */
const HIDDEN = new Set(['client', 'constructor', '__proto__', 'prototype']);

/**
 * @param {object} target
 * @param {(className: string, method: string) => void} refused
 * @returns {any}
 */
export function readOnlyView(target, refused) {
  const classes = classNames(target);
  const isClient = classes.includes('Client');
  const name = classes[0] ?? 'Object';

  /** @param {string} method */
  const refuse = (method) => () => {
    refused(name, method);
    throw new Error(`leadmasterd only listens: ${name}.${method} was refused`);
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
        if (!classes.some((known) => READS[known]?.includes(key))) return refuse(key);
        return (/** @type {unknown[]} */ ...args) => viewed(value.apply(target, args), refused);
      }
      if (isClient && !CLIENT_DATA.has(key)) return undefined;
      return viewed(value, refused);
    },
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
 * @param {any} value
 * @param {(className: string, method: string) => void} refused
 * @returns {any}
 */
function viewed(value, refused) {
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Promise) return value.then((result) => viewed(result, refused));
  if (Array.isArray(value)) return value.map((item) => viewed(item, refused));
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? value : readOnlyView(value, refused);
}

/**
 * @param {object} target
 * @returns {string[]} its class and those it extends
 */
function classNames(target) {
  const names = [];
  for (
    let at = Object.getPrototypeOf(target);
    at && at !== Object.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    if (at === EventEmitter.prototype) break;
    names.push(at.constructor.name);
  }
  return names;
}
