// Events, models and collections like WhatsApp Web's own, which the library subscribes to.

import { config } from './config.js';

export class Events {
  // Private, so that Object.keys does not show it: the library looks for the only Map among a module's own properties.
  #listeners = new Map();

  /** Names separated by spaces are several subscriptions: the library calls on('change:body change:caption', …). */
  on(names, callback) {
    for (const name of names.split(/\s+/)) {
      this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), callback]);
    }
    return this;
  }
  once(names, callback) {
    const only = (...args) => {
      this.off(names, only);
      callback(...args);
    };
    return this.on(names, only);
  }
  /** Without a callback all listeners of these events are removed. */
  off(names, callback) {
    for (const name of names.split(/\s+/)) {
      const kept = callback ? (this.#listeners.get(name) ?? []).filter((known) => known !== callback) : [];
      this.#listeners.set(name, kept);
    }
    return this;
  }
  listeners(name) {
    return this.#listeners.get(name) ?? [];
  }
  /**
   * A listener that throws ends this call: the next ones are skipped, and the exception goes to whoever triggered
   * (WAWebEventEmitter). The old way isolates each listener: its exception becomes an uncaught error, seen by nobody.
   */
  trigger(name, ...args) {
    if (config.ways.listeners === 'throw') {
      for (const callback of this.listeners(name)) callback(...args);
      return this;
    }
    for (const callback of this.listeners(name)) {
      try {
        callback(...args);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return this;
  }
}

export class Model extends Events {
  #collections = new Set();

  constructor(attributes = {}) {
    super();
    this.assign(attributes);
  }
  /** Like set, without events. Getters of the class are not overwritten. */
  assign(attributes) {
    for (const [name, value] of Object.entries(attributes)) {
      if (!(name in this) || Object.hasOwn(this, name)) this[name] = value;
    }
  }
  /** Sets one attribute, or several given as an object; fires `change:NAME` for each that is new, then `change` once. */
  set(name, value) {
    const changes = typeof name === 'object' ? name : { [name]: value };
    const changed = Object.entries(changes).filter(([key, next]) => this[key] !== next);
    const before = changed.map(([key]) => this[key]);
    for (const [key, next] of changed) this[key] = next;
    changed.forEach(([key, next], index) => {
      this.trigger(`change:${key}`, this, next, before[index]);
    });
    if (changed.length > 0) this.trigger('change', this);
    return this;
  }
  /** The event goes to the collections of this model as well. */
  trigger(name, ...args) {
    super.trigger(name, ...args);
    for (const collection of this.#collections) collection.trigger(name, ...args);
    return this;
  }
  joined(collection) {
    this.#collections.add(collection);
  }
  left(collection) {
    this.#collections.delete(collection);
  }
  serialize() {
    return Object.fromEntries(Object.entries(this).filter(([, value]) => typeof value !== 'function'));
  }
  toJSON() {
    return this.serialize();
  }
}

/** Text of an id of any kind. Undefined stays undefined, as `id._serialized` is under the `$1` shape. */
export function idText(id) {
  if (id === undefined || id === null) return undefined;
  if (typeof id === 'string') return id;
  return id._serialized ?? id.$1 ?? id.toString();
}

/** Models by id, in the order of `before`, or of arrival without one. */
export class Collection extends Events {
  #models = [];
  #byId = new Map();
  #before;

  /** @param modelClass class of the models, @param before (a, b) => true when a sorts before b */
  constructor(modelClass = Model, before = undefined) {
    super();
    this.modelClass = modelClass;
    this.#before = before;
  }
  get length() {
    return this.#models.length;
  }
  /** Adds a model, or one made of attributes, and fires `add`. One with the same id stays, and is returned. */
  add(given) {
    const model = given instanceof Model ? given : new this.modelClass(given);
    const id = idText(model.id);
    const known = this.#byId.get(id);
    if (known) return known;
    this.#byId.set(id, model);
    this.#models.splice(this.#place(model), 0, model);
    model.joined(this);
    this.trigger('add', model, this);
    return model;
  }
  /** Removes a model, given itself or its id, and fires `remove`. */
  remove(given) {
    const model = this.get(given?.id ?? given);
    if (!model) return undefined;
    this.#byId.delete(idText(model.id));
    this.#models.splice(this.#models.indexOf(model), 1);
    model.left(this);
    this.trigger('remove', model, this);
    return model;
  }
  get(id) {
    return this.#byId.get(idText(id));
  }
  /** The same model under another id (WAWebCollection.replaceId). */
  replaceId(old, id) {
    const model = this.get(old);
    if (!model) return;
    this.#byId.delete(idText(old));
    model.set('id', id);
    this.#byId.set(idText(id), model);
  }
  some(test) {
    return this.#models.some(test);
  }
  async find(id) {
    return this.get(id);
  }
  getModelsArray() {
    return [...this.#models];
  }
  filter(test) {
    return this.#models.filter(test);
  }
  map(change) {
    return this.#models.map(change);
  }
  forEach(visit) {
    this.#models.forEach(visit);
  }
  head() {
    return this.#models[0];
  }
  last() {
    return this.#models.at(-1);
  }
  /** The index at which a model is added, by binary search where there is an order. */
  #place(model) {
    if (!this.#before) return this.#models.length;
    let low = 0;
    let high = this.#models.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#before(model, this.#models[middle])) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
