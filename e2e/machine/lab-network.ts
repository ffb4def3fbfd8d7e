/**
 * The wire between hosts: a bridge in a namespace of its own, with no way out. Packets for elsewhere are answered "unreachable" at once.
 */
import { run } from './command.ts';
import { namePrefix } from './clear-estate.ts';
import type { Estate } from './estate.ts';
import { addNamespace, inNamespace } from './network-namespace.ts';

/** Of the lab; no route of the host's own namespace leads there unless `attachRoot` makes one. */
const SUBNET = '10.231.0';
const BRIDGE = 'wire';

export class LabNetwork {
  readonly namespace: string;
  private readonly estate: Estate;

  constructor(estate: Estate) {
    this.estate = estate;
    this.namespace = `${namePrefix(estate.id)}wire`;
  }

  /** Address of the host with that number, 1 to 200. */
  addressOf(index: number): string {
    return `${SUBNET}.${index}`;
  }

  async create(): Promise<void> {
    await addNamespace(this.namespace);
    await this.inside('ip', 'link', 'add', BRIDGE, 'type', 'bridge');
    await this.inside('ip', 'address', 'add', `${SUBNET}.254/24`, 'dev', BRIDGE);
    await this.inside('ip', 'link', 'set', BRIDGE, 'up');
    await this.inside('sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward');
  }

  /** Gives a host's namespace its eth0. */
  async attach(namespace: string, index: number): Promise<void> {
    const port = `p${index}`;
    await this.inside('ip', 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace);
    await this.inside('ip', 'link', 'set', port, 'master', BRIDGE, 'up');
    const there = (...argv: string[]) => run(inNamespace(namespace, argv));
    await there('ip', 'address', 'add', `${this.addressOf(index)}/24`, 'dev', 'eth0');
    await there('ip', 'link', 'set', 'eth0', 'up');
    await there('ip', 'route', 'add', 'default', 'via', `${SUBNET}.254`);
  }

  /** Lets the host's own namespace reach the hosts, and `ranges` by way of the first of them. */
  async attachRoot(ranges: readonly string[]): Promise<void> {
    const name = `${namePrefix(this.estate.id)}root`;
    await this.inside('ip', 'link', 'add', 'p0', 'type', 'veth', 'peer', 'name', name, 'netns', '1');
    await this.inside('ip', 'link', 'set', 'p0', 'master', BRIDGE, 'up');
    await run(['ip', 'address', 'add', `${SUBNET}.253/24`, 'dev', name]);
    await run(['ip', 'link', 'set', name, 'up']);
    for (const range of ranges) await run(['ip', 'route', 'add', range, 'via', this.addressOf(1), 'dev', name]);
  }

  private inside(...argv: string[]): Promise<string> {
    return run(inNamespace(this.namespace, argv));
  }
}
