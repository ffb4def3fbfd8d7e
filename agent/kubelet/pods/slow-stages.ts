/**
 * Tells what a pod waits for when a stage of its life takes far longer than it should: what hangs, since when, and what to do. Nothing is
 * ended here; each call has its own deadline.
 */
import type { EventSink, EventSubject } from '../../../machinery/client/event-recorder.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import { rfc3339 } from '../plan/time-format.ts';

/** One step that may hang. */
export interface Stage {
  readonly subject: EventSubject;
  /** Begins the sentence: `Creating the sandbox`. */
  readonly doing: string;
  /** What has not answered, and the next step: `the container runtime does not answer RunPodSandbox; see its log`. */
  readonly waitsFor: string;
  /** Time that it may well take, in milliseconds, before the first word; default `FIRST_WORD_MS`. */
  readonly usualMs?: number;
  /** Looked up when it is told: for example which process does not end. Must not throw. */
  readonly detail?: () => Promise<string>;
}

/** What runs stages with an eye on the time. */
export interface StageWatch {
  /** Runs `act`. @throws what it throws */
  watch<T>(stage: Stage, act: () => Promise<T>): Promise<T>;
}

export interface SlowStagesOptions {
  readonly clock: Clock;
  readonly recorder: EventSink;
  readonly logger: Logger;
}

const FIRST_WORD_MS = 30_000;
/** Then this often. */
const NEXT_WORD_MS = 300_000;

export class SlowStages implements StageWatch {
  private readonly options: SlowStagesOptions;

  constructor(options: SlowStagesOptions) {
    this.options = options;
  }

  async watch<T>(stage: Stage, act: () => Promise<T>): Promise<T> {
    const { clock } = this.options;
    const sinceMs = clock.now();
    let ended = false;
    let cancel: () => void = () => {};
    const tellLater = (delayMs: number): void => {
      cancel = clock.after(delayMs, () => {
        void this.tell(stage, sinceMs, () => ended);
        tellLater(NEXT_WORD_MS);
      });
    };
    tellLater(stage.usualMs ?? FIRST_WORD_MS);
    try {
      return await act();
    } finally {
      ended = true;
      cancel();
    }
  }

  private async tell(stage: Stage, sinceMs: number, ended: () => boolean): Promise<void> {
    const { clock, recorder, logger } = this.options;
    // What is told beside it must not keep it from being told.
    const detail = (await stage.detail?.().catch(() => '')) ?? '';
    if (ended()) return;
    const seconds = Math.round((clock.now() - sinceMs) / 1000);
    const since = rfc3339(sinceMs);
    const message = `${stage.doing} has not ended for ${seconds} s (since ${since}): ${stage.waitsFor}${detail}`;
    recorder.event(stage.subject, 'Warning', 'Hanging', message);
    logger.warn({ pod: `${stage.subject.namespace}/${stage.subject.name}`, since, seconds }, message);
  }
}
