/** Members of an etcd, Debian's, in a host's network: what a cluster keeps its state in when it is told to. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import type { Host } from './host.ts';
import { inNamespace } from './network-namespace.ts';
import { waitFor } from './wait-for.ts';

const CLIENT_PORT = 2379;
const PEER_PORT = 2479;

export class EtcdMember {
  readonly url: string;
  private readonly host: Host;
  private readonly argv: readonly string[];
  private child: ChildProcess | undefined;

  constructor(host: Host, index: number, count: number) {
    this.host = host;
    this.url = `http://${host.address}:${CLIENT_PORT + index}`;
    const peer = (i: number): string => `http://${host.address}:${PEER_PORT + i}`;
    const cluster = Array.from({ length: count }, (_, i) => `m${i}=${peer(i)}`).join(',');
    const data = host.path('etcd', `m${index}`);
    mkdirSync(data, { recursive: true, mode: 0o700 });
    // prettier-ignore
    this.argv = inNamespace(host.namespace, [
      'etcd', '--name', `m${index}`, '--data-dir', data,
      '--listen-client-urls', this.url, '--advertise-client-urls', this.url,
      '--listen-peer-urls', peer(index), '--initial-advertise-peer-urls', peer(index), '--initial-cluster', cluster,
      '--heartbeat-interval', '50', '--election-timeout', '500', '--logger', 'zap', '--log-level', 'error',
    ]);
  }

  start(): void {
    const [program = '', ...args] = this.argv;
    this.child = spawn(program, args, { stdio: 'ignore', env: { PATH: process.env['PATH'] } });
  }

  signal(name: NodeJS.Signals): void {
    this.child?.kill(name);
  }

  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise(resolve => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  /** @returns what it prints */
  ctl(args: readonly string[]): Promise<string> {
    const argv = ['etcdctl', '--endpoints', this.url, '--dial-timeout', '1s', '--command-timeout', '3s', ...args];
    return this.host.run(argv, { env: { ETCDCTL_API: '3' } });
  }
}

/** A cluster of `count` members on one host, once it serves. They end with the host's estate. */
export async function startEtcd(host: Host, count: number): Promise<EtcdMember[]> {
  const members = Array.from({ length: count }, (_, i) => new EtcdMember(host, i, count));
  for (const member of members) member.start();
  for (const member of members) await waitFor(`etcd at ${member.url}`, () => member.ctl(['endpoint', 'health']));
  return members;
}
