/**
 * The local copy behind an informer: objects by namespace and name, with indexes. Holds what it is given; copies nothing.
 */
import type { Lister } from './informer.ts';
import type { AnyObject } from './resource.ts';

interface Index<T> {
  valuesOf: (object: T) => readonly string[];
  /** Most values have one object, and a set of one is large. */
  byValue: Map<string, T | Set<T>>;
}

export class ObjectCache<T extends AnyObject> implements Lister<T> {
  private readonly byNamespace = new Map<string, Map<string, T>>();
  private readonly indexes = new Map<string, Index<T>>();

  get(namespace: string | undefined, name: string): T | undefined {
    return this.byNamespace.get(namespace ?? '')?.get(name);
  }

  list(namespace?: string): T[] {
    if (namespace !== undefined && namespace !== '') return [...(this.byNamespace.get(namespace)?.values() ?? [])];
    const all: T[] = [];
    for (const objects of this.byNamespace.values()) for (const object of objects.values()) all.push(object);
    return all;
  }

  byIndex(index: string, value: string): T[] {
    const known = this.indexes.get(index);
    if (known === undefined) throw new Error(`no index "${index}"; call addIndex first`);
    const found = known.byValue.get(value);
    if (found === undefined) return [];
    return found instanceof Set ? [...found] : [found];
  }

  addIndex(name: string, valuesOf: (object: T) => readonly string[]): void {
    if (this.indexes.has(name)) return;
    const index: Index<T> = { valuesOf, byValue: new Map() };
    this.indexes.set(name, index);
    for (const object of this.list()) addTo(index, object);
  }

  /** @returns what was there before */
  put(object: T): T | undefined {
    const namespace = object.metadata.namespace ?? '';
    const name = object.metadata.name ?? '';
    let objects = this.byNamespace.get(namespace);
    if (objects === undefined) this.byNamespace.set(namespace, (objects = new Map<string, T>()));
    const older = objects.get(name);
    objects.set(name, object);
    for (const index of this.indexes.values()) {
      if (older === undefined) addTo(index, object);
      else replaceIn(index, older, object);
    }
    return older;
  }

  /** @returns what was there */
  remove(object: T): T | undefined {
    const namespace = object.metadata.namespace ?? '';
    const objects = this.byNamespace.get(namespace);
    const older = objects?.get(object.metadata.name ?? '');
    if (objects === undefined || older === undefined) return undefined;
    objects.delete(object.metadata.name ?? '');
    if (objects.size === 0) this.byNamespace.delete(namespace);
    for (const index of this.indexes.values()) removeFrom(index, older);
    return older;
  }
}

/** Most changes leave an object where it stands: then no entry goes and comes back, which would leave a hole in its map each time. */
function replaceIn<T extends object>(index: Index<T>, older: T, object: T): void {
  const values = index.valuesOf(object);
  const before = index.valuesOf(older);
  if (values.length !== before.length || values.some((value, i) => value !== before[i])) {
    removeFrom(index, older);
    return addTo(index, object);
  }
  for (const value of values) {
    const held = index.byValue.get(value);
    if (held === older) index.byValue.set(value, object);
    else if (held instanceof Set && held.delete(older)) held.add(object);
  }
}

function addTo<T extends object>({ valuesOf, byValue }: Index<T>, object: T): void {
  for (const value of valuesOf(object)) {
    const held = byValue.get(value);
    if (held === undefined) byValue.set(value, object);
    else if (held instanceof Set) held.add(object);
    else if (held !== object) byValue.set(value, new Set([held, object]));
  }
}

function removeFrom<T extends object>({ valuesOf, byValue }: Index<T>, object: T): void {
  for (const value of valuesOf(object)) {
    const held = byValue.get(value);
    if (held === object) byValue.delete(value);
    else if (held instanceof Set && held.delete(object) && held.size === 0) byValue.delete(value);
  }
}
