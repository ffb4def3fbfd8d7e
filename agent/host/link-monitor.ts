/**
 * Tells of changes to links, addresses, routes and forwarding settings as they happen, by one `ip monitor` that lives as long as it is
 * run: 2.5 MB of memory, and no time while nothing happens.
 *
 * Where it cannot run, or ends, it is started again, at first after a second, then ever later; what happened meanwhile is told as a gap.
 */
import { spawn } from 'node:child_process';
import type { Clock } from '../../machinery/process/clock.ts';

export interface LinkMonitorOptions {
  /** One change as `ip -o monitor` prints it. */
  readonly onLine: (line: string) => void;
  /** Changes may have been missed: look at everything. */
  readonly onGap: () => void;
  readonly clock: Clock;
  /** Words put before the command: `['nsenter', '--net=/run/netns/a']`. */
  readonly prefix?: readonly string[];
}

const ARGV = ['ip', '-o', 'monitor', 'link', 'address', 'route', 'netconf'];
const FIRST_RETRY_MS = 1_000;
const LAST_RETRY_MS = 60_000;
/** One that ran so long was well. */
const LONG_RUN_MS = 60_000;

export class LinkMonitor {
  private readonly options: LinkMonitorOptions;

  constructor(options: LinkMonitorOptions) {
    this.options = options;
  }

  /** Until the signal aborts; never throws. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, onGap } = this.options;
    let retryMs = FIRST_RETRY_MS;
    while (!signal.aborted) {
      const startedMs = clock.monotonicMs();
      await this.follow(signal);
      if (signal.aborted) return;
      retryMs = clock.monotonicMs() - startedMs > LONG_RUN_MS ? FIRST_RETRY_MS : Math.min(retryMs * 2, LAST_RETRY_MS);
      await clock.sleep(retryMs, signal).catch(() => {});
      onGap();
    }
  }

  private follow(signal: AbortSignal): Promise<void> {
    const { onLine, prefix = [] } = this.options;
    const [file = '', ...args] = [...prefix, ...ARGV];
    return new Promise(resolve => {
      // It ends by itself with the first change after its reader is gone.
      const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'ignore'] });
      const kill = (): void => void child.kill('SIGKILL');
      const end = (): void => {
        signal.removeEventListener('abort', kill);
        resolve();
      };
      signal.addEventListener('abort', kill, { once: true });
      child.once('error', end);
      // Without file descriptors left there is none, and only the event above tells.
      if ((child as Partial<typeof child>).stdout === undefined) return;
      let rest = '';
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) onLine(line);
      });
      child.once('close', end);
    });
  }
}
