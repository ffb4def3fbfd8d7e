/**
 * The range of node ports and the bitmap that says which are taken. A port belongs to one Service, whatever its protocols.
 * Source: kubernetes `pkg/registry/core/service/{portallocator,allocator}`, KEP-3668 (the band for ports picked by hand).
 */
import { randomInt } from 'node:crypto';

const MIN_BAND = 16;
const MAX_BAND = 128;

export class PortRange {
  readonly first: number;
  readonly last: number;
  readonly #band: number;

  /** @param range `30000-32767` @throws Error when it is none */
  constructor(range: string) {
    const match = /^(\d+)-(\d+)$/.exec(range);
    this.first = Number(match?.[1]);
    this.last = Number(match?.[2]);
    if (!(this.first > 0 && this.last >= this.first && this.last < 65536))
      throw new Error(`"${range}" is no port range such as 30000-32767`);
    this.#band = this.size < MIN_BAND ? 0 : Math.min(Math.max(MIN_BAND, Math.floor(this.size / 32)), MAX_BAND);
  }

  get size(): number {
    return this.last - this.first + 1;
  }

  contains(port: number): boolean {
    return port >= this.first && port <= this.last;
  }

  /** Every port once: the upper band from a random start, then the lower one. */
  *candidates(): Generator<number> {
    yield* this.#from(this.#band, this.size);
    yield* this.#from(0, this.#band);
  }

  *#from(low: number, high: number): Generator<number> {
    const count = high - low;
    if (count <= 0) return;
    const start = randomInt(count);
    for (let i = 0; i < count; i++) yield this.first + low + ((start + i) % count);
  }

  toString(): string {
    return `${this.first}-${this.last}`;
  }
}

/** Which ports of a range are taken, in the form that a RangeAllocation keeps: base64 of a big-endian number. */
export class PortBitmap {
  readonly #range: PortRange;
  readonly #taken: Set<number>;

  constructor(range: PortRange, taken: Iterable<number> = []) {
    this.#range = range;
    this.#taken = new Set(taken);
  }

  /** @param data as `encode()` writes it; bits beyond the range are dropped */
  static decode(range: PortRange, data: string): PortBitmap {
    const bytes = Buffer.from(data, 'base64');
    const bitmap = new PortBitmap(range);
    for (let offset = 0; offset < Math.min(range.size, bytes.length * 8); offset++) {
      const byte = bytes[bytes.length - 1 - (offset >> 3)] ?? 0;
      if ((byte >> (offset & 7)) & 1) bitmap.#taken.add(range.first + offset);
    }
    return bitmap;
  }

  encode(): string {
    const highest = Math.max(-1, ...[...this.#taken].map(port => port - this.#range.first));
    const bytes = Buffer.alloc(Math.floor(highest / 8) + 1);
    for (const port of this.#taken) {
      const offset = port - this.#range.first;
      const at = bytes.length - 1 - (offset >> 3);
      bytes[at] = (bytes[at] ?? 0) | (1 << (offset & 7));
    }
    return bytes.toString('base64');
  }

  has(port: number): boolean {
    return this.#taken.has(port);
  }

  take(port: number): 'ok' | 'taken' | 'outside' {
    if (!this.#range.contains(port)) return 'outside';
    if (this.#taken.has(port)) return 'taken';
    this.#taken.add(port);
    return 'ok';
  }

  /** @returns undefined when all are taken */
  takeAny(): number | undefined {
    for (const port of this.#range.candidates()) if (this.take(port) === 'ok') return port;
    return undefined;
  }

  release(port: number): void {
    this.#taken.delete(port);
  }

  ports(): number[] {
    return [...this.#taken].sort((a, b) => a - b);
  }
}
