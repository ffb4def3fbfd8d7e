/**
 * Pods that wait for extenders' answers, beside the decisions for all others: so many at once and no more, the rest in the order of QueueSort, so that
 * an important one that comes later does not stand behind a long backlog.
 */
import type { QueuedPod } from './framework/framework.ts';
import { IndexedHeap, type HeapMember } from './queue/indexed-heap.ts';

const MOST_AT_ONCE = 16;

interface Turn extends HeapMember {
  readonly pod: QueuedPod;
  take(): Promise<void>;
}

export class ExtenderTurns {
  private readonly waiting: IndexedHeap<Turn>;
  private running = 0;

  constructor(compare: (a: QueuedPod, b: QueuedPod) => number) {
    this.waiting = new IndexedHeap((a, b) => compare(a.pod, b.pod) < 0);
  }

  /** Runs `ask` when it is the pod's turn; resolves when it has ended. @param ask never throws */
  run(pod: QueuedPod, ask: () => Promise<void>): Promise<void> {
    return new Promise(resolve => {
      this.waiting.push({ heapIndex: -1, pod, take: () => ask().then(resolve) });
      this.next();
    });
  }

  private next(): void {
    if (this.running >= MOST_AT_ONCE) return;
    const turn = this.waiting.pop();
    if (turn === undefined) return;
    this.running++;
    void turn.take().finally(() => {
      this.running--;
      this.next();
    });
  }
}
