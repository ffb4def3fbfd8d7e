/** A binary heap whose members know their place, so that any of them can be taken out. */

/** `heapIndex` belongs to the heap; -1 while in none. A member is in one heap at a time. */
export interface HeapMember {
  heapIndex: number;
}

export class IndexedHeap<T extends HeapMember> {
  private readonly members: T[] = [];
  private readonly isBefore: (a: T, b: T) => boolean;

  constructor(isBefore: (a: T, b: T) => boolean) {
    this.isBefore = isBefore;
  }

  get size(): number {
    return this.members.length;
  }

  /** The first one, left where it is. */
  get first(): T | undefined {
    return this.members[0];
  }

  push(member: T): void {
    this.members.push(member);
    this.siftUp(member, this.members.length - 1);
  }

  pop(): T | undefined {
    const { first } = this;
    if (first !== undefined) this.remove(first);
    return first;
  }

  /** Takes a member out. */
  remove(member: T): void {
    const index = member.heapIndex;
    member.heapIndex = -1;
    const last = this.members.pop();
    if (last === undefined || last === member) return;
    this.settle(last, index);
  }

  /** Something that its order goes by has changed. */
  moved(member: T): void {
    this.settle(member, member.heapIndex);
  }

  private settle(member: T, index: number): void {
    this.siftUp(member, index);
    this.siftDown(member, member.heapIndex);
  }

  private siftUp(member: T, from: number): void {
    let index = from;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.members[parentIndex] as T;
      if (!this.isBefore(member, parent)) break;
      this.put(parent, index);
      index = parentIndex;
    }
    this.put(member, index);
  }

  private siftDown(member: T, from: number): void {
    let index = from;
    for (;;) {
      let childIndex = 2 * index + 1;
      const left = this.members[childIndex];
      if (left === undefined) break;
      const right = this.members[childIndex + 1];
      const child = right !== undefined && this.isBefore(right, left) ? right : left;
      if (child === right) childIndex++;
      if (!this.isBefore(child, member)) break;
      this.put(child, index);
      index = childIndex;
    }
    this.put(member, index);
  }

  private put(member: T, index: number): void {
    this.members[index] = member;
    member.heapIndex = index;
  }
}
