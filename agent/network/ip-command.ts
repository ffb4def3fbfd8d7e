/** The few questions and orders to `ip(8)` that the pod network needs, on top of agent/host's `run`. */
import type { Run } from '../host/exec.ts';
import { ROUTE_PROTOCOL } from './plan/node-routes.ts';
import type { PodRoute } from './plan/node-routes.ts';

/** A link as `ip -j addr` prints it; what is not asked for is left out. */
export interface Link {
  readonly ifname: string;
  readonly mtu: number;
  readonly addresses: readonly string[];
}

interface RawLink {
  readonly ifname?: string;
  readonly mtu?: number;
  readonly addr_info?: readonly { readonly local?: string }[];
}

interface RawRoute {
  readonly dst?: string;
  readonly gateway?: string;
  readonly dev?: string;
}

export class IpCommand {
  private readonly run: Run;

  constructor(run: Run) {
    this.run = run;
  }

  async links(): Promise<Link[]> {
    return (await this.json<RawLink>(['addr', 'show'])).map(raw => ({
      ifname: raw.ifname ?? '',
      mtu: raw.mtu ?? 1500,
      addresses: (raw.addr_info ?? []).flatMap(address => address.local ?? []),
    }));
  }

  /** Routes that bear our protocol number, of both families, but for those to a link of ours. */
  async podRoutes(): Promise<PodRoute[]> {
    const raw = [
      ...(await this.json<RawRoute>(['-4', 'route', 'show', 'proto', String(ROUTE_PROTOCOL)])),
      ...(await this.json<RawRoute>(['-6', 'route', 'show', 'proto', String(ROUTE_PROTOCOL)])),
    ];
    return raw
      .filter(r => r.gateway !== undefined)
      .map(r => ({ destination: normalised(r.dst ?? ''), via: r.gateway }));
  }

  /** The link of the default route. */
  async defaultLink(): Promise<string | undefined> {
    return (await this.json<RawRoute>(['-4', 'route', 'show', 'default']))[0]?.dev;
  }

  /** Runs commands without the leading `ip`, all in one process. @throws CommandError at the first that fails */
  async batch(commands: readonly string[]): Promise<void> {
    if (commands.length > 0) await this.run(['ip', '-batch', '-'], { input: commands.join('\n') + '\n' });
  }

  private async json<T>(words: readonly string[]): Promise<T[]> {
    const { stdout } = await this.run(['ip', '-j', ...words]);
    return stdout.trim() === '' ? [] : (JSON.parse(stdout) as T[]);
  }
}

// `ip` leaves the length of a host route out.
function normalised(destination: string): string {
  if (destination.includes('/')) return destination;
  return `${destination}/${destination.includes(':') ? 128 : 32}`;
}
