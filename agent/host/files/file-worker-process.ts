/** One other process that does file tasks, one at a time. It is given up, not waited for, when it does not answer. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type {
  FileTaskInput,
  FileTaskName,
  FileTaskReply,
  FileTaskRequest,
  FileTaskResult,
  Progress,
} from './file-tasks.ts';

/** A task that failed over there. */
export class FileTaskError extends Error {
  /** `ENOENT`, as on Node's own errors. */
  readonly code: string | undefined;

  constructor({ name, message, code }: NonNullable<FileTaskReply['error']>) {
    super(message);
    this.name = name;
    this.code = code;
  }
}

interface Pending {
  readonly resolve: (result: never) => void;
  readonly reject: (error: Error) => void;
  readonly progress: Progress;
}

export class FileWorkerProcess {
  private readonly child: ChildProcess;
  private pending: Pending | undefined;

  /** @param argv program and arguments of a process that runs `runFileWorker` */
  constructor(argv: readonly string[]) {
    const [file = '', ...args] = argv;
    this.child = spawn(file, args, { stdio: ['pipe', 'pipe', 'ignore'], detached: true });
    this.child.on('error', error => this.fail(error));
    this.child.on('exit', (code, signal) =>
      this.fail(new Error(`the file worker ended (${signal ?? `code ${code}`})`)),
    );
    this.child.stdin?.on('error', () => {});
    if (this.child.stdout !== null) createInterface({ input: this.child.stdout }).on('line', line => this.heard(line));
    // It never keeps this process alive.
    this.child.unref();
    for (const pipe of [this.child.stdin, this.child.stdout]) (pipe as { unref?: () => void } | null)?.unref?.();
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null && this.child.pid !== undefined;
  }

  /** One at a time. @throws FileTaskError, or what ended the process */
  run<K extends FileTaskName>(task: K, input: FileTaskInput<K>, progress: Progress): Promise<FileTaskResult<K>> {
    const request: FileTaskRequest = { task, input };
    return new Promise((resolve, reject) => {
      this.pending = { resolve, reject, progress };
      this.child.stdin?.write(`${JSON.stringify(request)}\n`);
    });
  }

  /** Kills it; one that sits in the kernel dies when that lets go. */
  end(): void {
    this.child.kill('SIGKILL');
    this.child.stdin?.destroy();
    this.child.stdout?.destroy();
  }

  private heard(line: string): void {
    const reply = JSON.parse(line) as FileTaskReply;
    const { pending } = this;
    if (pending === undefined) return;
    if (reply.progress !== undefined) return pending.progress(reply.progress);
    this.pending = undefined;
    if (reply.error !== undefined) pending.reject(new FileTaskError(reply.error));
    else pending.resolve(reply.result as never);
  }

  private fail(error: Error): void {
    this.pending?.reject(error);
    this.pending = undefined;
  }
}
