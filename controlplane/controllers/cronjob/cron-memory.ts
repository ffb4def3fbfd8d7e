/** What the controller remembers of CronJobs beside what their statuses say; all of it may be lost at any time. */
import type { CronJob } from '../../../proto/api/batch-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import { plausibleStart } from './plan/due-start.ts';

interface Remembered {
  /** Starts up to then are over. */
  sinceMs: number;
  missedMs: number;
}

export class CronMemory {
  private readonly clock: Clock;
  private readonly byUid = new Map<string, Remembered>();

  constructor(informer: Informer<CronJob>, clock: Clock) {
    this.clock = clock;
    informer.addHandler({
      onUpdate: (older, cron) => {
        const isSame = older.spec.schedule === cron.spec.schedule && older.spec.timeZone === cron.spec.timeZone;
        // What another schedule would have started before it was there has not been missed.
        if (!isSame && older.metadata.uid === cron.metadata.uid) this.of(cron).sinceMs = clock.now();
      },
      onDelete: ({ metadata }) => this.byUid.delete(metadata.uid ?? ''),
    });
  }

  sinceMs({ metadata }: CronJob): number {
    const known = this.byUid.get(metadata.uid ?? '');
    if (known === undefined) return -Infinity;
    known.sinceMs = plausibleStart(known.sinceMs, this.clock.now());
    return known.sinceMs;
  }

  started(cron: CronJob, scheduledMs: number): void {
    this.of(cron).sinceMs = scheduledMs;
  }

  /** Whether it was not told of yet. */
  isNewMiss(cron: CronJob, missedMs: number): boolean {
    const known = this.of(cron);
    if (known.missedMs === missedMs) return false;
    known.missedMs = missedMs;
    return true;
  }

  private of({ metadata: { uid = '' } }: CronJob): Remembered {
    let known = this.byUid.get(uid);
    if (known === undefined) this.byUid.set(uid, (known = { sinceMs: -Infinity, missedMs: -Infinity }));
    return known;
  }
}
