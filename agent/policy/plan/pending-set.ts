/** One set of the kernel as it should be, and how that differs from what was last taken to be written. */
import type { SetSource } from './pod-chains.ts';
import type { PolicySet, SetChange } from './model.ts';

const NONE: readonly string[] = [];

export class PendingSet {
  readonly source: SetSource;
  /** How many chains look into it. */
  users = 0;
  private readonly byAddress = new Map<string, readonly string[]>();
  private added = new Set<string>();
  private removed = new Set<string>();

  constructor(source: SetSource) {
    this.source = source;
  }

  /** What stands for an address from now on. @returns whether that is something else */
  put(address: string, elements: readonly string[]): boolean {
    const before = this.byAddress.get(address) ?? NONE;
    if (before.length === 0 && elements.length === 0) return false;
    const gone = before.filter(element => !elements.includes(element));
    const fresh = elements.filter(element => !before.includes(element));
    if (elements.length === 0) this.byAddress.delete(address);
    else this.byAddress.set(address, elements);
    for (const element of gone) if (!this.added.delete(element)) this.removed.add(element);
    for (const element of fresh) if (!this.removed.delete(element)) this.added.add(element);
    return gone.length + fresh.length > 0;
  }

  get isDirty(): boolean {
    return this.added.size + this.removed.size > 0;
  }

  /** The difference; from now on there is none. */
  take(): SetChange {
    const { name, family, content } = this.source;
    const change = { name, family, content, add: [...this.added], remove: [...this.removed] };
    this.added = new Set();
    this.removed = new Set();
    return change;
  }

  /** All of it, as it is at this moment; the difference is forgotten. */
  takeWhole(): PolicySet {
    this.take();
    const { name, family, content } = this.source;
    return {
      name,
      family,
      content,
      elements: 'cidrs' in this.source ? this.source.cidrs : [...this.byAddress.values()].flat(),
    };
  }
}
