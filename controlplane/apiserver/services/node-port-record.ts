/**
 * The durable record of taken node ports: one RangeAllocation at /registry/ranges/servicenodeports, as upstream keeps it.
 *
 * - Every change is a compare-and-swap, so several API servers on one store never give a port twice.
 * - Changes that come together share one write.
 * - A port is taken before its Service is written and given back after the Service is gone: a crash in between leaks a port,
 *   which the repair finds; it never gives one away that is in use.
 */
import type { RangeAllocation } from '../../../proto/api/core-v1.ts';
import type { ResourceConfig, ResourceStorage } from '../storage/storage.ts';
import { PortBitmap, PortRange } from './port-range.ts';

export const NODE_PORT_STORAGE: ResourceConfig = {
  group: '',
  resource: 'rangeallocations',
  apiVersion: 'v1',
  kind: 'RangeAllocation',
  prefix: '/registry/ranges/',
};
const NAME = 'servicenodeports';

/** Why a port was not to be had; the message is upstream's. */
export class PortError extends Error {
  readonly port: number | undefined;
  constructor(message: string, port?: number) {
    super(message);
    this.name = 'PortError';
    this.port = port;
  }
}

/** Changes the bitmap in place and says what came of it; an error undoes nothing but its own steps. */
type Step<R> = (bitmap: PortBitmap) => R;

interface Job {
  /** @returns how to tell the caller, once the write is durable */
  run(bitmap: PortBitmap): () => void;
  fail(error: unknown): void;
}

export class NodePortRecord {
  readonly range: PortRange;
  readonly #storage: ResourceStorage<RangeAllocation>;
  #waiting: Job[] = [];
  #writer: Promise<void> | undefined;

  constructor(range: PortRange, storage: ResourceStorage<RangeAllocation>) {
    this.range = range;
    this.#storage = storage;
  }

  /**
   * Takes the asked ports and as many others as wanted, all or none.
   * @returns ports in the order asked for, 0 standing for any
   * @throws PortError
   */
  take(asked: readonly number[]): Promise<number[]> {
    return this.change(bitmap => takeAll(this.range, bitmap, asked));
  }

  async release(ports: readonly number[]): Promise<void> {
    if (ports.length > 0) await this.change(bitmap => ports.forEach(port => bitmap.release(port)));
  }

  /** What `take()` would give, without taking it (dry run). */
  async preview(asked: readonly number[]): Promise<number[]> {
    return takeAll(this.range, await this.current(), asked);
  }

  /** What is taken now. */
  async current(): Promise<PortBitmap> {
    const { items } = await this.#storage.list({ name: NAME });
    return this.#decode(items[0]?.object);
  }

  /** Applies `step` durably; steps that come together share one write. */
  change<R>(step: Step<R>): Promise<R> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({
        run(bitmap) {
          try {
            const result = step(bitmap);
            return () => resolve(result);
          } catch (error) {
            return () => reject(error as Error);
          }
        },
        fail: reject,
      });
      this.#writer ??= this.#write().finally(() => (this.#writer = undefined));
    });
  }

  async #write(): Promise<void> {
    // Those that come in the same turn go together.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const jobs = this.#waiting;
      this.#waiting = [];
      let tell: (() => void)[] = [];
      try {
        await this.#storage.guaranteedUpsert('', NAME, undefined, current => {
          const bitmap = this.#decode(current);
          // A write that another one came before starts anew, with all its steps.
          tell = jobs.map(job => job.run(bitmap));
          return {
            ...(current ?? { metadata: { name: NAME } }),
            apiVersion: 'v1',
            kind: 'RangeAllocation',
            range: this.range.toString(),
            data: bitmap.encode(),
          };
        });
        for (const done of tell) done();
      } catch (error) {
        for (const job of jobs) job.fail(error);
      }
    }
  }

  /** A record of another range is carried over as far as the ranges overlap. */
  #decode(record: RangeAllocation | undefined): PortBitmap {
    if (record === undefined) return new PortBitmap(this.range);
    if (record.range === this.range.toString()) return PortBitmap.decode(this.range, record.data);
    const old = PortBitmap.decode(new PortRange(record.range), record.data).ports();
    return new PortBitmap(
      this.range,
      old.filter(port => this.range.contains(port)),
    );
  }
}

function takeAll(range: PortRange, bitmap: PortBitmap, asked: readonly number[]): number[] {
  const taken: number[] = [];
  const undo = (message: string, port?: number): never => {
    for (const held of taken) bitmap.release(held);
    throw new PortError(message, port);
  };
  // Ports by number first: a free choice must not fall on one that is asked for.
  for (const port of asked) {
    if (port === 0) continue;
    const outcome = bitmap.take(port);
    if (outcome === 'taken') undo('provided port is already allocated', port);
    if (outcome === 'outside')
      undo(`provided port is not in the valid range. The range of valid ports is ${range.toString()}`, port);
    taken.push(port);
  }
  return asked.map(port => {
    if (port !== 0) return port;
    const free = bitmap.takeAny() ?? undo('range is full');
    taken.push(free);
    return free;
  });
}
