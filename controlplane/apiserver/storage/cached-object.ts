/**
 * One object at one revision in memory: the bytes are held, the parsed object only weakly.
 *
 * Whoever needs the object (a selector, an informer in this process) has it parsed once; as long as anybody holds it,
 * everybody gets the same one. Objects that nobody looks at cost their bytes alone.
 */
import { changeResourceVersion, withResourceVersion } from './object-codec.ts';
import type { KubeObject, StoredObject } from './storage.ts';

export class CachedObject<T extends KubeObject = KubeObject> implements StoredObject<T> {
  /** `namespace/name`, or `name` where there are no namespaces. */
  readonly key: string;
  readonly revision: number;
  readonly bytes: Buffer;
  private parsed: WeakRef<T> | undefined;

  private constructor(key: string, revision: number, bytes: Buffer) {
    this.key = key;
    this.revision = revision;
    this.bytes = bytes;
  }

  /** @param stored bytes as they are in the store, without resourceVersion */
  static fromStored<T extends KubeObject>(key: string, revision: number, stored: Buffer): CachedObject<T> {
    return new CachedObject<T>(key, revision, withResourceVersion(stored, revision));
  }

  get namespace(): string {
    const slash = this.key.indexOf('/');
    return slash < 0 ? '' : this.key.slice(0, slash);
  }

  get name(): string {
    return this.key.slice(this.key.indexOf('/') + 1);
  }

  get resourceVersion(): string {
    return String(this.revision);
  }

  get object(): T {
    const known = this.parsed?.deref();
    if (known !== undefined) return known;
    const object = JSON.parse(this.bytes.toString()) as T;
    this.parsed = new WeakRef(object as T & WeakKey);
    return object;
  }

  /** The same state under another revision: how a watch shows what was deleted. */
  atRevision(revision: number): CachedObject<T> {
    return new CachedObject<T>(this.key, revision, changeResourceVersion(this.bytes, this.revision, revision));
  }
}
