/**
 * Keys with due times, earliest first. A key stands in it once, with its earliest due time.
 * A binary heap; entries that an earlier one replaced stay until they surface, and are skipped then.
 */
interface Entry<K> {
  key: K;
  dueMs: number;
}

export class DelayHeap<K> {
  private heap: Entry<K>[] = [];
  private readonly dueOf = new Map<K, number>();

  get size(): number {
    return this.dueOf.size;
  }

  /** Adds `key`, or moves it forward if it is there with a later time. */
  push(key: K, dueMs: number): void {
    const known = this.dueOf.get(key);
    if (known !== undefined && known <= dueMs) return;
    this.dueOf.set(key, dueMs);
    this.heap.push({ key, dueMs });
    this.siftUp(this.heap.length - 1);
  }

  /** When the first key is due; undefined if there is none. */
  nextDueMs(): number | undefined {
    this.dropStale();
    return this.heap[0]?.dueMs;
  }

  /** Removes and returns the keys due at `nowMs`, earliest first. */
  popDue(nowMs: number): K[] {
    const due: K[] = [];
    for (;;) {
      this.dropStale();
      const first = this.heap[0];
      if (first === undefined || first.dueMs > nowMs) return due;
      this.removeFirst();
      this.dueOf.delete(first.key);
      due.push(first.key);
    }
  }

  clear(): void {
    this.heap = [];
    this.dueOf.clear();
  }

  private dropStale(): void {
    for (let first = this.heap[0]; first !== undefined; first = this.heap[0]) {
      if (this.dueOf.get(first.key) === first.dueMs) return;
      this.removeFirst();
    }
  }

  private removeFirst(): void {
    const last = this.heap.pop();
    if (last === undefined || this.heap.length === 0) return;
    this.heap[0] = last;
    this.siftDown(0);
  }

  private siftUp(at: number): void {
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (this.due(parent) <= this.due(at)) return;
      this.swap(at, parent);
      at = parent;
    }
  }

  private siftDown(at: number): void {
    for (;;) {
      const left = 2 * at + 1;
      const least = this.due(left + 1) < this.due(left) ? left + 1 : left;
      if (this.due(least) >= this.due(at)) return;
      this.swap(at, least);
      at = least;
    }
  }

  private due(at: number): number {
    return this.heap[at]?.dueMs ?? Infinity;
  }

  private swap(a: number, b: number): void {
    const [x, y] = [this.heap[a], this.heap[b]];
    if (x === undefined || y === undefined) return;
    this.heap[a] = y;
    this.heap[b] = x;
  }
}
