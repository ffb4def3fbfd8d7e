/**
 * What was made of stored objects, kept for whoever asks next: up to a number of bytes in all, the oldest go first.
 *
 * The objects themselves are not held: what belongs to one that is gone is found by nobody and goes in its turn.
 */
interface Entry {
  bytes: Buffer | undefined;
}

/** The bound, for all caches that share it. */
export class ByteBudget {
  private readonly maxBytes: number;
  private readonly entries = new Set<Entry>();
  private total = 0;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Keeps what is not too large, until newer ones need the room. */
  keep(bytes: Buffer): Entry {
    const entry: Entry = { bytes };
    this.entries.add(entry);
    this.total += bytes.length;
    for (const oldest of this.entries) {
      if (this.total <= this.maxBytes) break;
      this.entries.delete(oldest);
      this.total -= oldest.bytes?.length ?? 0;
      oldest.bytes = undefined;
    }
    return entry;
  }
}

/** Bytes by object. */
export class SharedBytes<K extends object> {
  private readonly budget: ByteBudget;
  private readonly entries = new WeakMap<K, Entry>();

  constructor(budget: ByteBudget) {
    this.budget = budget;
  }

  /** What `make` makes of `key`, which must be the same each time. */
  of(key: K, make: () => Buffer): Buffer {
    const known = this.entries.get(key)?.bytes;
    if (known !== undefined) return known;
    const bytes = make();
    this.entries.set(key, this.budget.keep(bytes));
    return bytes;
  }
}
