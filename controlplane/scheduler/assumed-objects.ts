/**
 * Objects as they will be once a decision is written, in place of what the informer shows.
 *
 * An assumption ends when the informer shows something newer than what it was made from: that is either the write itself or what overtook it.
 */
import type { Informer } from '../../machinery/client/informer.ts';
import type { AnyObject } from '../../machinery/client/resource.ts';
import { keyOf, splitKey } from '../../machinery/meta/object.ts';

export class AssumedObjects<T extends AnyObject> {
  private readonly informer: Informer<T>;
  private readonly assumed = new Map<string, T>();

  constructor(informer: Informer<T>) {
    this.informer = informer;
    const forget = (object: T): void => void this.assumed.delete(keyOf(object));
    informer.addHandler({
      onUpdate: (_older, object) => {
        const assumed = this.assumed.get(keyOf(object));
        if (assumed !== undefined && assumed.metadata.resourceVersion !== object.metadata.resourceVersion)
          forget(object);
      },
      onDelete: forget,
    });
  }

  /** As assumed, or else as the informer shows it. */
  get(key: string): T | undefined {
    if (this.assumed.size > 0) {
      const assumed = this.assumed.get(key);
      if (assumed !== undefined) return assumed;
    }
    const { namespace, name } = splitKey(key);
    return this.informer.lister.get(namespace, name);
  }

  /** @param object made from the one that the informer shows, with its resourceVersion */
  assume(object: T): void {
    this.assumed.set(keyOf(object), object);
  }

  /** Forgets the assumption, unless it is another's by now. */
  restore(object: T): void {
    if (this.assumed.get(keyOf(object)) === object) this.assumed.delete(keyOf(object));
  }
}
