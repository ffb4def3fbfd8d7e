/**
 * Node ports, and which of them are taken. One port may be held once by each protocol of one service.
 */
import { randomInt } from 'node:crypto';

export class PortRange {
  readonly first: number;
  readonly last: number;
  readonly #taken = new Set<number>();

  /** @param range `30000-32767` */
  constructor(range: string) {
    const match = /^(\d+)-(\d+)$/.exec(range);
    this.first = Number(match?.[1]);
    this.last = Number(match?.[2]);
    if (!(this.first > 0 && this.last >= this.first && this.last < 65536))
      throw new Error(`"${range}" is no port range such as 30000-32767`);
  }

  reserve(port: number): 'ok' | 'taken' | 'outside' {
    if (port < this.first || port > this.last) return 'outside';
    if (this.#taken.has(port)) return 'taken';
    this.#taken.add(port);
    return 'ok';
  }

  allocate(): number | undefined {
    const count = this.last - this.first + 1;
    const start = randomInt(count);
    for (let i = 0; i < count; i++) {
      const port = this.first + ((start + i) % count);
      if (this.#taken.has(port)) continue;
      this.#taken.add(port);
      return port;
    }
    return undefined;
  }

  release(port: number): void {
    this.#taken.delete(port);
  }
}
