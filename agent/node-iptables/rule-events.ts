/**
 * Tells when anybody changes packet-filter rules that are kept by nf_tables (nft, iptables-nft), this process included. One child process of
 * about 2 MB, `xtables-monitor`, that sleeps until then; `nft monitor` would tell as much, and keeps every element of every set in memory.
 *
 * The command of iptables 1.8.9 ends when it shall print ordinary rules of IPv6, such as one for a TCP port; those of IPv4 it can, and is then asked
 * for instead.
 *
 * Legacy iptables tells nothing, and hosts may lack the command: `watching` then is false, and whoever needs to know has to look now and then.
 */
import { spawn } from 'node:child_process';
import type { CommandOptions } from './run-command.ts';
import type { Family } from './plan/rule.ts';

/** Every transaction ends with such a line. */
const NEW_GENERATION = 'NEWGEN: ';
const MIN_RESTART_MS = 1_000;
const MAX_RESTART_MS = 300_000;
/** Exit code of the command for a rule that it does not understand. */
const UNREADABLE = 3;

/** Tells when somebody, be it this process, changes rules. */
export interface RuleChanges {
  /** Whether it can tell at the moment. */
  readonly watching: boolean;
  /** Called after each change, and when nobody watches any more; the returned function ends it. */
  onChange(listener: () => void): () => void;
}

export interface RuleEventsOptions extends Pick<CommandOptions, 'prefix'> {
  /** Rules of this family's iptables are printed, which is of no use: best one with few rules. Default `ipv6`. */
  readonly quietFamily?: Family;
}

export class RuleEvents implements RuleChanges {
  private readonly options: RuleEventsOptions;
  private readonly listeners = new Set<() => void>();
  private quietFamily: Family;
  private live = false;

  constructor(options: RuleEventsOptions = {}) {
    this.options = options;
    this.quietFamily = options.quietFamily ?? 'ipv6';
  }

  get watching(): boolean {
    return this.live;
  }

  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => void this.listeners.delete(listener);
  }

  /** Watches until the signal aborts. Never throws: without the command it only waits. */
  async run(signal: AbortSignal): Promise<void> {
    for (let delayMs = MIN_RESTART_MS; !signal.aborted; delayMs = Math.min(delayMs * 4, MAX_RESTART_MS)) {
      const startedMs = performance.now();
      const end = await this.watch(signal);
      this.live = false;
      if (signal.aborted) return;
      this.tell();
      if (end === 'unreadable' && this.quietFamily === 'ipv6') {
        this.quietFamily = 'ipv4';
        continue;
      }
      if (end === 'missing') delayMs = MAX_RESTART_MS;
      else if (performance.now() - startedMs > MAX_RESTART_MS) delayMs = MIN_RESTART_MS;
      await pause(delayMs, signal);
    }
  }

  /** @returns why it ended: there is no such command, it does not understand a rule, or anything else */
  private watch(signal: AbortSignal): Promise<'missing' | 'unreadable' | 'ended'> {
    const { prefix = [] } = this.options;
    // Its output would else stay in its buffer until there are 4 KB of it.
    const argv = [...prefix, 'stdbuf', '-oL', 'xtables-monitor', '-e', this.quietFamily === 'ipv6' ? '-6' : '-4'];
    return new Promise(resolve => {
      const end = (why: 'missing' | 'unreadable' | 'ended'): void => {
        signal.removeEventListener('abort', stop);
        resolve(why);
      };
      const child = spawn(argv[0] ?? '', argv.slice(1), { stdio: ['ignore', 'pipe', 'ignore'] });
      const stop = (): void => void child.kill('SIGKILL');
      signal.addEventListener('abort', stop, { once: true });
      child.unref();
      child.on('error', ({ code }: NodeJS.ErrnoException) => end(code === 'ENOENT' ? 'missing' : 'ended'));
      // Without file descriptors left there is none, and only the event above tells.
      if ((child as Partial<typeof child>).stdout === undefined) return;
      child.on('spawn', () => (this.live = true));
      let rest = '';
      child.stdout.setEncoding('latin1').on('data', (text: string) => {
        // What is cut may be cut within the word.
        const joined = rest + text;
        if (joined.includes(NEW_GENERATION)) this.tell();
        rest = joined.slice(joined.lastIndexOf('\n') + 1).slice(-NEW_GENERATION.length);
      });
      child.on('close', code => {
        // 127 and 126: of env(1) and stdbuf(1) for a command that is not there or cannot run.
        end(code === 127 || code === 126 ? 'missing' : code === UNREADABLE ? 'unreadable' : 'ended');
      });
    });
  }

  private tell(): void {
    for (const listener of this.listeners) listener();
  }
}

function pause(delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, delayMs);
    timer.unref();
    signal.addEventListener('abort', done, { once: true });
  });
}
