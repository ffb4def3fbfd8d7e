import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { inNamespace } from './network-namespace.ts';
import { waitFor } from './wait-for.ts';

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
    // Whoever waits for its end hears of a program that is not there.
    this.ended.catch(() => {});
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', chunk => (this.output += String(chunk)));
  }

  /** @throws Error with what it said instead, if it ended or said nothing such for a minute */
  async says(text: string): Promise<void> {
    const isOver = (): boolean => this.child.exitCode !== null || this.child.signalCode !== null;
    await waitFor(`${JSON.stringify(text)} or the end`, () => this.output.includes(text) || isOver(), {
      timeoutMs: 60_000,
      everyMs: 50,
    });
    if (!this.output.includes(text)) throw new Error(`it ended: ${this.output}`);
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
