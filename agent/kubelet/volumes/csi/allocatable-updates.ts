/**
 * Asks drivers again now and then how many volumes the node may have, where their CSIDriver says so
 * (`nodeAllocatableUpdatePeriodSeconds`). Source: KEP 4876.
 */
import type { Clock } from '../../../../machinery/process/clock.ts';
import type { CSIDriver } from '../../../../proto/api/storage-v1.ts';

export class AllocatableUpdates {
  private readonly clock: Clock;
  private readonly update: (driver: string) => Promise<void>;
  private stopped = false;
  private readonly periods = new Map<string, { readonly seconds: number; readonly cancel: () => void }>();

  /** @param update must not throw */
  constructor(clock: Clock, update: (driver: string) => Promise<void>) {
    this.clock = clock;
    this.update = update;
  }

  /** Goes by the newest object. */
  follow(driver: string, object: CSIDriver | undefined): void {
    const seconds = object?.spec.nodeAllocatableUpdatePeriodSeconds;
    const known = this.periods.get(driver);
    if (known?.seconds === seconds) return;
    known?.cancel();
    this.periods.delete(driver);
    if (seconds !== undefined) this.again(driver, seconds);
  }

  stop(): void {
    this.stopped = true;
    for (const { cancel } of this.periods.values()) cancel();
    this.periods.clear();
  }

  private again(driver: string, seconds: number): void {
    const cancel = this.clock.after(seconds * 1000, () => {
      this.periods.delete(driver);
      void this.update(driver).then(() => {
        if (!this.stopped && !this.periods.has(driver)) this.again(driver, seconds);
      });
    });
    this.periods.set(driver, { seconds, cancel });
  }
}
