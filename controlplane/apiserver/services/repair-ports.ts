/**
 * Compares Services with the record of taken node ports, and makes the record agree: a port in use is marked taken, one that is
 * taken for nobody is freed once several rounds in a row have found it so, and what a person must decide is told in an event.
 * Source: kubernetes `pkg/registry/core/service/portallocator/controller/repair.go`, 1.36.
 */
import type { EventSink } from '../../../machinery/client/event-recorder.ts';
import type { Service } from '../../../proto/api/core-v1.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import type { NodePortRecord } from './node-port-record.ts';
import { subjectOf } from './repair-addresses.ts';
import { nodePortsOf } from './service-ports.ts';

/** Between taking a port and writing its Service a port looks leaked: only what stays so is. */
const ROUNDS_BEFORE_RELEASE = 3;

export class PortRepair {
  readonly #services: ResourceStorage<Service>;
  readonly #record: NodePortRecord;
  readonly #events: EventSink;
  /** In how many rounds in a row each port was found taken for nobody. */
  readonly #leaked = new Map<number, number>();

  constructor(services: ResourceStorage<Service>, record: NodePortRecord, events: EventSink) {
    this.#services = services;
    this.#record = record;
    this.#events = events;
  }

  /** One round over everything. */
  async repair(): Promise<void> {
    const before = await this.#record.current();
    const { items } = await this.#services.list();
    const used = new Set<number>();
    const missing: number[] = [];
    for (const { object } of items) {
      for (const port of nodePortsOf(object.spec)) {
        const tell = (reason: string, message: string): void =>
          this.#events.event(subjectOf(object), 'Warning', reason, message);
        if (!this.#record.range.contains(port)) {
          const range = this.#record.range.toString();
          tell('PortOutOfRange', `Port ${port} is not within the port range ${range}; please recreate service`);
        } else if (used.has(port)) {
          tell('PortAlreadyAllocated', `Port ${port} was assigned to multiple services; please recreate service`);
        } else if (!before.has(port)) {
          tell('PortNotAllocated', `Port ${port} is not allocated; repairing`);
          missing.push(port);
        }
        used.add(port);
      }
    }
    const freed = this.#leaksOf(before.ports(), used);
    if (missing.length === 0 && freed.length === 0) return;
    await this.#record.change(bitmap => {
      for (const port of missing) bitmap.take(port);
      for (const port of freed) bitmap.release(port);
    });
  }

  #leaksOf(taken: readonly number[], used: ReadonlySet<number>): number[] {
    const orphans = taken.filter(port => !used.has(port));
    for (const port of [...this.#leaked.keys()]) if (!orphans.includes(port)) this.#leaked.delete(port);
    const freed: number[] = [];
    for (const port of orphans) {
      const rounds = (this.#leaked.get(port) ?? 0) + 1;
      this.#leaked.set(port, rounds);
      if (rounds < ROUNDS_BEFORE_RELEASE) continue;
      this.#leaked.delete(port);
      freed.push(port);
    }
    return freed;
  }
}
