/** The live objects of one resource by key, with their keys sorted, so that a namespace and a page are ranges. */
import type { CachedObject } from './cached-object.ts';
import type { KubeObject } from './storage.ts';

/** Half-open range of keys. */
export interface KeyRange {
  readonly from: string;
  /** Exclusive; undefined for no end. */
  readonly to: string | undefined;
}

export class ObjectTable<T extends KubeObject> {
  private readonly objects = new Map<string, CachedObject<T>>();
  private readonly keys: string[] = [];

  get size(): number {
    return this.keys.length;
  }

  get(key: string): CachedObject<T> | undefined {
    return this.objects.get(key);
  }

  set(object: CachedObject<T>): void {
    const { key } = object;
    if (!this.objects.has(key)) {
      const last = this.keys.at(-1);
      if (last === undefined || last < key) this.keys.push(key);
      else this.keys.splice(this.indexOf(key), 0, key);
    }
    this.objects.set(key, object);
  }

  delete(key: string): void {
    if (this.objects.delete(key)) this.keys.splice(this.indexOf(key), 1);
  }

  count(range: KeyRange): number {
    return this.endOf(range) - this.indexOf(range.from);
  }

  /** In key order. The table must not change meanwhile. */
  *range(range: KeyRange): Generator<CachedObject<T>, void, undefined> {
    const end = this.endOf(range);
    for (let i = this.indexOf(range.from); i < end; i++) {
      yield this.objects.get(this.keys[i] as string) as CachedObject<T>;
    }
  }

  /**
   * In key order, as it was when `earlier` was the state of the keys in it (undefined: not there).
   * The table must not change meanwhile.
   */
  *rangeAt(
    range: KeyRange,
    earlier: ReadonlyMap<string, CachedObject<T> | undefined>,
  ): Generator<CachedObject<T>, void, undefined> {
    const inRange = (key: string): boolean => key >= range.from && (range.to === undefined || key < range.to);
    const gone = [...earlier.values()]
      .filter(o => o !== undefined && inRange(o.key) && !this.objects.has(o.key))
      .sort((a, b) => ((a as CachedObject).key < (b as CachedObject).key ? -1 : 1)) as CachedObject<T>[];
    let next = 0;
    for (const object of this.range(range)) {
      while (next < gone.length && (gone[next] as CachedObject<T>).key < object.key)
        yield gone[next++] as CachedObject<T>;
      if (!earlier.has(object.key)) yield object;
      else {
        const then = earlier.get(object.key);
        if (then !== undefined) yield then;
      }
    }
    yield* gone.slice(next);
  }

  /** Index of the first key that is not less than `key`. */
  private indexOf(key: string): number {
    let low = 0;
    let high = this.keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.keys[middle] as string) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private endOf(range: KeyRange): number {
    return range.to === undefined ? this.keys.length : this.indexOf(range.to);
  }
}
