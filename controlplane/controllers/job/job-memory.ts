/** What the controller remembers of each job; all of it may be lost at any time. */
import type { Job } from '../../../proto/api/batch-v1.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Informer } from '../../../machinery/client/informer.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import { NO_FAILURES, type Backoff } from './plan/backoff.ts';
import { finishedMs } from './plan/job-pod.ts';

/** Each pod makes a handful of changes: of a job with many not every one is worth a look of its own. */
const PACE_MS_PER_POD = 0.5;
const LONGEST_PACE_MS = 1000;
const FEW_PODS = 100;

const NONE: ReadonlyMap<string, number> = new Map<string, number>();

interface Remembered {
  backoff: Backoff;
  lookedMs: number;
  generation: number | undefined;
  pods: number;
  /** By uid of a pod that ended: when, by the clock that never jumps. */
  ends: ReadonlyMap<string, number>;
}

export class JobMemory {
  private readonly informer: Informer<Job>;
  private readonly clock: Clock;
  private readonly byUid = new Map<string, Remembered>();

  constructor(informer: Informer<Job>, clock: Clock) {
    this.informer = informer;
    this.clock = clock;
    informer.addHandler({ onDelete: ({ metadata }) => this.byUid.delete(metadata.uid ?? '') });
  }

  backoffOf(job: Job): Backoff {
    return this.byUid.get(job.metadata.uid ?? '')?.backoff ?? NO_FAILURES;
  }

  keepBackoff(job: Job, backoff: Backoff): void {
    this.of(job).backoff = backoff;
  }

  /** How long it has to wait for its next look. */
  paceMs(job: Job): number {
    const known = this.byUid.get(job.metadata.uid ?? '');
    if (known === undefined || known.pods < FEW_PODS || known.generation !== job.metadata.generation) return 0;
    const everyMs = Math.min(LONGEST_PACE_MS, known.pods * PACE_MS_PER_POD);
    return Math.max(0, known.lookedMs + everyMs - this.clock.monotonicMs());
  }

  looked(job: Job, pods: number): void {
    const known = this.of(job);
    known.lookedMs = this.clock.monotonicMs();
    known.generation = job.metadata.generation;
    known.pods = pods;
  }

  /** When pods of the job ended: clocks that are set meanwhile make no delay longer or shorter. */
  endOf(job: Job): (pod: Pod) => number {
    const known = this.of(job);
    const before = known.ends;
    const ends = new Map<string, number>();
    known.ends = ends;
    return pod => {
      const { uid = '' } = pod.metadata;
      const agoMs = Math.max(0, this.clock.now() - finishedMs(pod));
      const endMs = before.get(uid) ?? this.clock.monotonicMs() - agoMs;
      ends.set(uid, endMs);
      return endMs;
    };
  }

  private of({ metadata: { uid = '', namespace, name = '' } }: Job): Remembered {
    const known = this.byUid.get(uid) ?? {
      backoff: NO_FAILURES,
      lookedMs: 0,
      generation: undefined,
      pods: 0,
      ends: NONE,
    };
    // One that went meanwhile is not remembered.
    if (this.informer.lister.get(namespace, name)?.metadata.uid === uid) this.byUid.set(uid, known);
    return known;
  }
}
