/**
 * The way to files that may lie on a file system that hangs. What lies on the machine's own is done here and at once; all else in another
 * process, with a deadline.
 *
 * - Only a few tasks run on one mount at a time, so that one that hangs costs as few processes; mounts never wait for each other.
 * - No process is started before one is needed; one that is idle ends after a while.
 */
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Mount } from '../mountinfo.ts';
import { fileTasks, type FileTaskInput, type FileTaskName, type FileTaskResult, type Progress } from './file-tasks.ts';
import { FileWorkerProcess } from './file-worker-process.ts';
import { TreeTooLarge } from './give-to-group.ts';
import { foreignMountOf } from './local-place.ts';

export interface GuardedFilesOptions {
  /** Program and arguments of a process that runs `runFileWorker`. */
  readonly workerArgv: readonly string[];
  readonly clock: Clock;
  /** Lies on a disk that this machine cannot do without, as `/` does. */
  readonly home: string;
  /** Without an answer, nor progress, for so long, a task is given up; default 10,000. */
  readonly deadlineMs?: number;
}

interface Lane {
  running: number;
  readonly waiting: (() => void)[];
}

export interface GuardedRun {
  readonly signal?: AbortSignal;
  readonly progress?: Progress;
}

/** A file system did not answer in time. The message is for the pod's event. */
export class UnresponsiveMountError extends Error {
  override readonly name = 'UnresponsiveMountError';
  readonly mountPoint: string;

  constructor(path: string, { mountPoint, fsType, source }: Mount, sinceMs: number, nowMs: number) {
    const since = new Date(sinceMs).toISOString().replace(/\.\d+Z$/, 'Z');
    const seconds = Math.max(1, Math.round((nowMs - sinceMs) / 1000));
    super(
      `${path} does not answer: the ${fsType} file system "${source}" mounted on ${mountPoint} hangs since ${since} (${seconds} s); ` +
        `repair what serves it, or detach it with "umount --lazy ${mountPoint}"`,
    );
    this.mountPoint = mountPoint;
  }
}

const DEFAULT_DEADLINE_MS = 10_000;
const IDLE_MS = 10_000;
/** Larger trees are walked in the other process: it takes seconds of a processor. */
const MAX_FILES_HERE = 2_000;
const TASKS_A_MOUNT = 3;

export class GuardedFiles {
  private readonly options: GuardedFilesOptions;
  /** Places for tasks, by mount point. */
  private readonly lanes = new Map<string, Lane>();
  /** Since when a mount has not answered, milliseconds since the epoch. */
  private readonly hungSince = new Map<string, number>();
  /** Processes that were given up and may not have died yet, by mount point. */
  private readonly givenUp = new Map<string, readonly FileWorkerProcess[]>();
  private readonly idle: { readonly worker: FileWorkerProcess; readonly cancel: () => void }[] = [];

  constructor(options: GuardedFilesOptions) {
    this.options = options;
  }

  /** @throws UnresponsiveMountError, the task's own error, or the signal's reason */
  async run<K extends FileTaskName>(
    task: K,
    input: FileTaskInput<K>,
    { signal, progress = () => {} }: GuardedRun = {},
  ): Promise<FileTaskResult<K>> {
    const mount = await foreignMountOf(input.path, this.options.home);
    if (mount === undefined) {
      try {
        return await this.runHere(task, input);
      } catch (error) {
        if (!(error instanceof TreeTooLarge)) throw error;
        return this.runThere(undefined, task, input, progress, signal);
      }
    }
    return this.inLane(mount, () => this.runThere(mount, task, input, progress, signal), input.path);
  }

  /** Ends processes that wait for work. */
  stop(): void {
    for (const { worker, cancel } of this.idle.splice(0)) {
      cancel();
      worker.end();
    }
  }

  /** @throws UnresponsiveMountError when the mount was found to hang while this task waited for its place */
  private async inLane<T>(mount: Mount, work: () => Promise<T>, path: string): Promise<T> {
    const { mountPoint } = mount;
    this.refuseIfStuck(mount, path);
    const lane = this.lanes.get(mountPoint) ?? { running: 0, waiting: [] };
    this.lanes.set(mountPoint, lane);
    if (lane.running >= TASKS_A_MOUNT) {
      await new Promise<void>(resolve => lane.waiting.push(resolve));
      const since = this.hungSince.get(mountPoint);
      if (since !== undefined) {
        lane.waiting.shift()?.();
        throw new UnresponsiveMountError(path, mount, since, this.options.clock.now());
      }
    }
    lane.running++;
    try {
      return await work();
    } finally {
      lane.running--;
      lane.waiting.shift()?.();
      if (lane.running === 0 && lane.waiting.length === 0 && this.lanes.get(mountPoint) === lane)
        this.lanes.delete(mountPoint);
    }
  }

  /** A process that waits in the kernel does not even die: each more would stay as well. @throws UnresponsiveMountError */
  private refuseIfStuck(mount: Mount, path: string): void {
    const { mountPoint } = mount;
    const alive = (this.givenUp.get(mountPoint) ?? []).filter(worker => worker.alive);
    if (alive.length === 0) this.givenUp.delete(mountPoint);
    else this.givenUp.set(mountPoint, alive);
    if (alive.length < TASKS_A_MOUNT) return;
    const nowMs = this.options.clock.now();
    throw new UnresponsiveMountError(path, mount, this.hungSince.get(mountPoint) ?? nowMs, nowMs);
  }

  private runHere<K extends FileTaskName>(task: K, input: FileTaskInput<K>): Promise<FileTaskResult<K>> {
    const bounded: Progress = count => {
      if (count > MAX_FILES_HERE) throw new TreeTooLarge(`more than ${MAX_FILES_HERE} files`);
    };
    // Name and input belong together by this method's type.
    const run = fileTasks[task] as (input: FileTaskInput<K>, progress: Progress) => Promise<FileTaskResult<K>>;
    return run(input, bounded);
  }

  private async runThere<K extends FileTaskName>(
    mount: Mount | undefined,
    task: K,
    input: FileTaskInput<K>,
    progress: Progress,
    signal: AbortSignal | undefined,
  ): Promise<FileTaskResult<K>> {
    const { clock, deadlineMs = DEFAULT_DEADLINE_MS } = this.options;
    signal?.throwIfAborted();
    const worker = this.takeWorker();
    const startedMs = clock.now();
    let giveUp: (error: Error) => void = () => {};
    const givenUp = new Promise<never>((_, reject) => (giveUp = reject));
    givenUp.catch(() => undefined);
    const startTimer = (): (() => void) =>
      clock.after(deadlineMs, () => {
        if (mount === undefined) return giveUp(new Error(`${input.path}: nothing heard for ${deadlineMs} ms`));
        const since = this.hungSince.get(mount.mountPoint) ?? startedMs;
        this.hungSince.set(mount.mountPoint, since);
        giveUp(new UnresponsiveMountError(input.path, mount, since, clock.now()));
      });
    let cancelTimer = startTimer();
    const onAbort = (): void => giveUp(signal?.reason as Error);
    signal?.addEventListener('abort', onAbort, { once: true });
    const onProgress: Progress = count => {
      cancelTimer();
      cancelTimer = startTimer();
      progress(count);
    };
    let answered = false;
    try {
      const answer = worker.run(task, input, onProgress).finally(() => (answered = true));
      answer.catch(() => undefined);
      return await Promise.race([answer, givenUp]);
    } finally {
      cancelTimer();
      signal?.removeEventListener('abort', onAbort);
      if (answered) {
        if (mount !== undefined) this.hungSince.delete(mount.mountPoint);
        this.putBack(worker);
      } else {
        worker.end();
        if (mount !== undefined)
          this.givenUp.set(mount.mountPoint, [...(this.givenUp.get(mount.mountPoint) ?? []), worker]);
      }
    }
  }

  private takeWorker(): FileWorkerProcess {
    for (let entry = this.idle.pop(); entry !== undefined; entry = this.idle.pop()) {
      entry.cancel();
      if (entry.worker.alive) return entry.worker;
    }
    return new FileWorkerProcess(this.options.workerArgv);
  }

  private putBack(worker: FileWorkerProcess): void {
    if (!worker.alive) return;
    const cancel = this.options.clock.after(IDLE_MS, () => {
      const index = this.idle.findIndex(entry => entry.worker === worker);
      if (index >= 0) this.idle.splice(index, 1);
      worker.end();
    });
    this.idle.push({ worker, cancel });
  }
}
