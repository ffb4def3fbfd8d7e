/** Network links, addresses and routes of this host, as `ip -j` (iproute2) tells them. */
import { run, type Run } from './exec.ts';

/** A network interface. */
export interface Link {
  readonly ifindex: number;
  readonly ifname: string;
  readonly flags: readonly string[];
  readonly mtu: number;
  readonly operstate: string;
  /** Hardware address. */
  readonly address?: string;
  /** The bridge or bond it belongs to. */
  readonly master?: string;
  /** `bridge`, `veth`, `vxlan`, ...; undefined for plain hardware. */
  readonly linkinfo?: { readonly info_kind?: string };
}

/** A link with its addresses. */
export interface AddressedLink extends Link {
  readonly addr_info: readonly {
    readonly family: 'inet' | 'inet6';
    readonly local: string;
    readonly prefixlen: number;
    readonly scope: string;
  }[];
}

/** A route of the main table. */
export interface Route {
  /** `default` or a CIDR. */
  readonly dst: string;
  readonly gateway?: string;
  readonly dev?: string;
  readonly metric?: number;
  readonly prefsrc?: string;
  readonly protocol?: string;
  readonly type?: string;
}

/** Reads and changes links; takes `run` so that tests and other network namespaces can put theirs. */
export class Links {
  private readonly run: Run;

  constructor(runCommand: Run = run) {
    this.run = runCommand;
  }

  list(): Promise<Link[]> {
    return this.query(['-details', 'link', 'show']);
  }

  addresses(): Promise<AddressedLink[]> {
    return this.query(['address', 'show']);
  }

  routes(family: 4 | 6 = 4): Promise<Route[]> {
    return this.query([`-${family}`, 'route', 'show']);
  }

  /** Runs many `ip` commands (without the word `ip`) in one process; stops at the first that fails. @throws CommandError */
  async batch(commands: readonly string[]): Promise<void> {
    if (commands.length > 0) await this.run(['ip', '-batch', '-'], { input: commands.join('\n') + '\n' });
  }

  private async query<T>(args: readonly string[]): Promise<T[]> {
    const { stdout } = await this.run(['ip', '-j', ...args]);
    // ip prints nothing at all for an empty list of routes, and {} for what it cannot show.
    if (stdout.trim() === '') return [];
    return (JSON.parse(stdout) as T[]).filter(item => Object.keys(item as object).length > 0);
  }
}
