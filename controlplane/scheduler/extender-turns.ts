/** Pods that wait for extenders' answers, beside the decisions for all others: so many at once and no more, the rest in the order in which they came. */
const MOST_AT_ONCE = 16;

export class ExtenderTurns {
  private readonly waiting: (() => Promise<void>)[] = [];
  private running = 0;

  /** Runs `ask` when it is its turn; resolves when it has ended. @param ask never throws */
  run(ask: () => Promise<void>): Promise<void> {
    return new Promise(resolve => {
      this.waiting.push(() => ask().then(resolve));
      this.next();
    });
  }

  private next(): void {
    if (this.running >= MOST_AT_ONCE) return;
    const turn = this.waiting.shift();
    if (turn === undefined) return;
    this.running++;
    void turn().finally(() => {
      this.running--;
      this.next();
    });
  }
}
