/**
 * One change as the watch cache keeps it, and the up to three shapes in which watches show it.
 *
 * A shape and its frame are built once and shared by all watches that need it; `release()` lets the cache forget them after
 * the fan-out, while watches that still have them queued go on sharing them.
 */
import type { CachedObject } from './cached-object.ts';
import type { FrameForm, KubeObject, WatchEvent, WatchEventType } from './storage.ts';

type ChangeType = Exclude<WatchEventType, 'BOOKMARK'>;

const FRAME_END = Buffer.from('}\n');

/** An event's frames: each form's is built once, when the first watch needs it. */
abstract class Framed<T extends KubeObject> implements WatchEvent<T> {
  abstract readonly type: WatchEventType;
  abstract readonly resourceVersion: string;
  abstract readonly object: T;
  abstract readonly stored: CachedObject<T> | undefined;
  private json: Buffer | undefined;
  private others: Map<FrameForm, Buffer> | undefined;

  frame(form?: FrameForm): Buffer {
    if (form === undefined) return (this.json ??= this.jsonFrame());
    this.others ??= new Map();
    let frame = this.others.get(form);
    if (frame === undefined) this.others.set(form, (frame = form.frame(this)));
    return frame;
  }

  protected abstract jsonFrame(): Buffer;
}

/** An object in a watch. */
export class ObjectEvent<T extends KubeObject> extends Framed<T> {
  readonly type: WatchEventType;
  readonly stored: CachedObject<T>;

  constructor(type: WatchEventType, stored: CachedObject<T>) {
    super();
    this.type = type;
    this.stored = stored;
  }

  get resourceVersion(): string {
    return this.stored.resourceVersion;
  }

  get object(): T {
    return this.stored.object;
  }

  protected jsonFrame(): Buffer {
    return Buffer.concat([Buffer.from(`{"type":"${this.type}","object":`), this.stored.bytes, FRAME_END]);
  }
}

export class CacheEvent<T extends KubeObject = KubeObject> {
  readonly key: string;
  readonly revision: number;
  /** Absent: deleted. */
  readonly current: CachedObject<T> | undefined;
  /** Absent: created. */
  readonly previous: CachedObject<T> | undefined;
  private shapes: Partial<Record<ChangeType, ObjectEvent<T>>> = {};

  constructor(
    key: string,
    revision: number,
    current: CachedObject<T> | undefined,
    previous: CachedObject<T> | undefined,
  ) {
    this.key = key;
    this.revision = revision;
    this.current = current;
    this.previous = previous;
  }

  /** How a watch with this predicate sees the change; undefined if not at all. */
  seenThrough(predicate: ((object: T) => boolean) | undefined): ObjectEvent<T> | undefined {
    const { current, previous } = this;
    const is = current !== undefined && (predicate === undefined || predicate(current.object));
    const was = previous !== undefined && (predicate === undefined || predicate(previous.object));
    if (is) return this.shape(was ? 'MODIFIED' : 'ADDED', current);
    return was ? this.shape('DELETED', previous) : undefined;
  }

  /** Forgets what was built for watches. */
  release(): void {
    this.shapes = {};
  }

  private shape(type: ChangeType, stored: CachedObject<T>): ObjectEvent<T> {
    // What left the selection or was deleted shows its last state, under the revision of leaving.
    this.shapes[type] ??= new ObjectEvent(type, type === 'DELETED' ? stored.atRevision(this.revision) : stored);
    return this.shapes[type];
  }
}

/** A bookmark: nothing but a resourceVersion. */
export class BookmarkEvent<T extends KubeObject> extends Framed<T> {
  readonly type = 'BOOKMARK';
  readonly stored = undefined;
  readonly resourceVersion: string;
  readonly object: T;

  constructor(apiVersion: string, kind: string, revision: number, initialEventsEnd = false) {
    super();
    this.resourceVersion = String(revision);
    const annotations = initialEventsEnd ? { annotations: { 'k8s.io/initial-events-end': 'true' } } : {};
    const metadata = { resourceVersion: this.resourceVersion, creationTimestamp: null, ...annotations };
    this.object = { kind, apiVersion, metadata } as unknown as T;
  }

  protected jsonFrame(): Buffer {
    return Buffer.from(`{"type":"BOOKMARK","object":${JSON.stringify(this.object)}}\n`);
  }
}
