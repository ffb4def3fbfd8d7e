/**
 * How far a pull is, from one look at the runtime's downloads to the next, and when it has stopped moving.
 *
 * A pull has no deadline of its own: large images over slow lines take what they take. It is given up when nothing moves for `stallMs`.
 * Unpacking is the runtime's own work on its own disk and can be seen by nobody: it has no bound.
 */

/** What the runtime holds of one image's repository. */
export interface PullSample {
  /** Downloads under way. */
  readonly active: readonly { readonly ref: string; readonly offsetBytes: number }[];
  /** Blobs that came since the pull began, and their bytes. */
  readonly finishedCount: number;
  readonly finishedBytes: number;
}

export interface PullProgress {
  readonly phase: 'asking' | 'downloading' | 'unpacking';
  readonly bytes: number;
  /** When it last moved, on the clock of the looks. */
  readonly movedAtMs: number;
  /** What is compared. */
  readonly mark: string;
}

export function firstProgress(nowMs: number): PullProgress {
  return nextProgress(undefined, { active: [], finishedCount: 0, finishedBytes: 0 }, nowMs);
}

export function nextProgress(last: PullProgress | undefined, sample: PullSample, nowMs: number): PullProgress {
  const active = [...sample.active].sort((a, b) => (a.ref < b.ref ? -1 : 1));
  const mark = `${sample.finishedCount} ${active.map(({ ref, offsetBytes }) => `${ref}=${offsetBytes}`).join(' ')}`;
  const phase = active.length > 0 ? 'downloading' : sample.finishedCount > 0 ? 'unpacking' : 'asking';
  const bytes = active.reduce((sum, { offsetBytes }) => sum + offsetBytes, sample.finishedBytes);
  const moved = last?.mark !== mark || last.phase !== phase;
  return { phase, bytes, mark, movedAtMs: moved ? nowMs : last.movedAtMs };
}

/** Milliseconds for which nothing moved; 0 where that cannot be seen. */
export function standsStillMs({ phase, movedAtMs }: PullProgress, nowMs: number): number {
  return phase === 'unpacking' ? 0 : nowMs - movedAtMs;
}

/** `downloaded 120.5 MB`, as a clause. */
export function progressText({ phase, bytes }: PullProgress, registry: string): string {
  const got = `${(bytes / 1e6).toFixed(1)} MB`;
  switch (phase) {
    case 'asking':
      return `waiting for the answer of ${registry}`;
    case 'downloading':
      return `downloaded ${got}`;
    case 'unpacking':
      return `unpacking what was downloaded (${got})`;
  }
}
