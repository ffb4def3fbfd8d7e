/** The other process: takes one task after another from standard input, ends with it, and says nothing of its own. */
import { createInterface } from 'node:readline';
import { fileTasks, type FileTaskReply, type FileTaskRequest, type Progress } from './file-tasks.ts';

const PROGRESS_EVERY_MS = 500;

export async function runFileWorker(): Promise<void> {
  const say = (reply: FileTaskReply): void => void process.stdout.write(`${JSON.stringify(reply)}\n`);
  for await (const line of createInterface({ input: process.stdin })) {
    let saidMs = performance.now();
    const progress: Progress = count => {
      if (performance.now() - saidMs < PROGRESS_EVERY_MS) return;
      saidMs = performance.now();
      say({ progress: count });
    };
    try {
      const { task, input } = JSON.parse(line) as FileTaskRequest;
      // The one that wrote the line paired name and input.
      const run = fileTasks[task] as (input: unknown, progress: Progress) => Promise<unknown>;
      say({ result: (await run(input, progress)) ?? null });
    } catch (error) {
      const { name, message, code } = error as NodeJS.ErrnoException;
      say({ error: { name, message, code } });
    }
  }
  // Nothing that hangs may keep the process: whoever asked is gone.
  process.exit(0);
}
