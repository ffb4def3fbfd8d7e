/** Network links, addresses and routes of this host, by `ip` and `bridge` (iproute2). */
import { CommandError } from './command-error.ts';
import { run, type Run } from './exec.ts';
import type { AddressedLink, ForwardingEntry, Link, Neighbour, Route } from './plan/link-facts.ts';

export type { AddressedLink, ForwardingEntry, Link, Neighbour, Route } from './plan/link-facts.ts';

/** A command of a batch that failed. */
export interface FailedChange {
  readonly command: string;
  /** As the kernel or the program said it. */
  readonly reason: string;
}

/** Reads and changes links; takes `run` so that tests and other network namespaces can put theirs. */
export class Links {
  private readonly run: Run;

  constructor(runCommand: Run = run) {
    this.run = runCommand;
  }

  list(): Promise<Link[]> {
    return this.query(['ip', '-j', '-details', 'link', 'show']);
  }

  /** All links with what they are and their addresses. */
  addresses(): Promise<AddressedLink[]> {
    return this.query(['ip', '-j', '-details', 'address', 'show']);
  }

  routes(family: 4 | 6 = 4): Promise<Route[]> {
    return this.query(['ip', '-j', `-${family}`, 'route', 'show']);
  }

  /** Addresses that are this host's by a route alone, put there by `protocol`. */
  localRoutes(family: 4 | 6, protocol: number): Promise<Route[]> {
    return this.query(['ip', '-j', `-${family}`, 'route', 'show', 'table', 'local', 'proto', String(protocol)]);
  }

  /** Of one device, those that were put there by hand. */
  neighbours(device: string): Promise<Neighbour[]> {
    return this.query(['ip', '-j', 'neigh', 'show', 'dev', device, 'nud', 'permanent']);
  }

  /** Of one device. */
  forwarding(device: string): Promise<ForwardingEntry[]> {
    return this.query(['bridge', '-j', 'fdb', 'show', 'dev', device]);
  }

  /** Runs many `ip` commands (without the word `ip`) in one process; stops at the first that fails. @throws CommandError */
  async batch(commands: readonly string[]): Promise<void> {
    if (commands.length > 0) await this.run(['ip', '-batch', '-'], { input: commands.join('\n') + '\n' });
  }

  /** The same for commands that do not depend on each other, of `ip` or `bridge`: one that fails keeps no other from its work. */
  async batchEach(program: 'ip' | 'bridge', commands: readonly string[]): Promise<FailedChange[]> {
    if (commands.length === 0) return [];
    try {
      await this.run([program, '-force', '-batch', '-'], { input: commands.join('\n') + '\n' });
      return [];
    } catch (error) {
      const { stderr } = error instanceof CommandError ? error : { stderr: '' };
      const failed = failedLines(stderr).map(({ line, reason }) => ({ command: commands[line - 1] ?? '', reason }));
      if (failed.length === 0) throw error;
      return failed;
    }
  }

  /** A batch of `ip` in the network namespace that a file names. @throws CommandError */
  async batchWithin(namespacePath: string, commands: readonly string[]): Promise<void> {
    await this.run(['nsenter', `--net=${namespacePath}`, 'ip', '-batch', '-'], { input: commands.join('\n') + '\n' });
  }

  private async query<T>(argv: readonly string[]): Promise<T[]> {
    const { stdout } = await this.run(argv);
    // ip prints nothing at all for an empty list of routes, and {} for what it cannot show.
    if (stdout.trim() === '') return [];
    return (JSON.parse(stdout) as T[]).filter(item => Object.keys(item as object).length > 0);
  }
}

/** With `-force` each failure is told with what was wrong first and its line after. */
function failedLines(stderr: string): { line: number; reason: string }[] {
  const failed: { line: number; reason: string }[] = [];
  let reasons: string[] = [];
  for (const text of stderr.split('\n')) {
    const line = /^Command failed -:(\d+)/.exec(text)?.[1];
    if (line === undefined) reasons.push(text.trim());
    else {
      failed.push({ line: Number(line), reason: reasons.filter(one => one !== '').join('; ') });
      reasons = [];
    }
  }
  return failed;
}
