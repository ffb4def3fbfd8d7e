import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { inNamespace } from './network-namespace.ts';

const TREE = fileURLToPath(new URL('../..', import.meta.url));

/** A program in a host's network until it is told to end. */
export class Running {
  private readonly child: ChildProcess;
  private output = '';
  private readonly ended: Promise<unknown>;

  constructor(namespace: string, argv: readonly string[]) {
    const [program = '', ...args] = inNamespace(namespace, argv);
    this.child = spawn(program, args, { cwd: TREE, stdio: ['ignore', 'pipe', 'pipe'] });
    this.ended = once(this.child, 'close');
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', chunk => (this.output += String(chunk)));
  }

  async says(text: string): Promise<void> {
    while (!this.output.includes(text)) {
      if (this.child.exitCode !== null) throw new Error(`it ended: ${this.output}`);
      await sleep(50);
    }
  }

  /** @returns the JSON that it prints at its end */
  async end<T>(signal: 'SIGINT' | 'SIGTERM'): Promise<T> {
    this.child.kill(signal);
    await this.ended;
    const line = this.output.split('\n').findLast(l => l.startsWith('{'));
    if (line === undefined) throw new Error(`it told nothing: ${this.output}`);
    return JSON.parse(line) as T;
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}
