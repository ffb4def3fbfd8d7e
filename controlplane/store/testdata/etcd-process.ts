/**
 * A real etcd of the tests' own: Debian's `etcd` (or the one that ETCD_BINARY names), on free ports of the loopback, its data in a folder that goes
 * with it. Its data is not flushed anywhere slow: the folder lies in memory where that is possible.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const BINARY = process.env['ETCD_BINARY'] ?? 'etcd';
const START_MS = 20_000;
const PLACE = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const FOLDER = 'k8ts-test-etcd-';

export interface EtcdFiles {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

export class EtcdProcess {
  readonly url: string;
  private readonly argv: readonly string[];
  private readonly folder: string;
  private readonly port: number;
  private child: ChildProcess | undefined;
  private output = '';

  constructor(argv: readonly string[], folder: string, url: string) {
    this.argv = argv;
    this.folder = folder;
    this.url = url;
    this.port = Number(new URL(url).port);
  }

  /** (Again) with the data that it had; resolves when its port is open. */
  async start(): Promise<void> {
    // It never outlives the tests, however they end.
    const argv = ['--pdeathsig', 'KILL', BINARY, ...this.argv];
    const child = spawn('setpriv', argv, { stdio: ['ignore', 'pipe', 'pipe'], env: { PATH: process.env['PATH'] } });
    this.child = child;
    this.output = '';
    const note = (chunk: Buffer): void => void (this.output = (this.output + chunk.toString()).slice(-4000));
    child.stdout.on('data', note);
    child.stderr.on('data', note);
    let failed: Error | undefined;
    child.on('error', error => (failed = error));
    const untilMs = performance.now() + START_MS;
    while (!(await isOpen(this.port))) {
      if (failed !== undefined) throw failed;
      if (child.exitCode !== null || performance.now() > untilMs) {
        throw new Error(`etcd did not start (exit code ${child.exitCode}):\n${this.output}`);
      }
      await sleep(10);
    }
  }

  /** Stops it in its tracks; resolves when every thread stands still. */
  async freeze(): Promise<void> {
    this.child?.kill('SIGSTOP');
    const tasks = `/proc/${this.child?.pid}/task`;
    const stands = (task: string): boolean => /\) [Tt] /.test(readFileSync(join(tasks, task, 'stat'), 'utf8'));
    while (!readdirSync(tasks).every(stands)) await sleep(1);
  }

  thaw(): void {
    this.child?.kill('SIGCONT');
  }

  /** Ends it at once; its data stays. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise(resolve => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  async remove(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Members of one cluster, started. @param options.tls for clients; members speak plainly among themselves */
export async function startEtcd(
  options: { readonly members?: number; readonly tls?: EtcdFiles; readonly args?: readonly string[] } = {},
): Promise<EtcdProcess[]> {
  const { members = 1, tls, args = [] } = options;
  sweep();
  const ports = await freePorts(members * 2);
  const peers = ports.slice(0, members).map(port => `http://127.0.0.1:${port}`);
  const cluster = peers.map((url, i) => `m${i}=${url}`).join(',');
  const made = peers.map((peer, i) => {
    const url = `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${ports[members + i]}`;
    const folder = mkdtempSync(join(PLACE, `${FOLDER}${process.pid}-`));
    // prettier-ignore
    const argv = [
      '--name', `m${i}`, '--data-dir', join(folder, 'data'),
      '--listen-client-urls', url, '--advertise-client-urls', url,
      '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer,
      '--initial-cluster', cluster, '--initial-cluster-token', cluster,
      '--heartbeat-interval', '50', '--election-timeout', '500', '--logger', 'zap', '--log-level', 'error',
      ...(tls === undefined ? [] : ['--cert-file', tls.cert, '--key-file', tls.key, '--trusted-ca-file', tls.ca, '--client-cert-auth']),
      ...args,
    ];
    return new EtcdProcess(argv, folder, url);
  });
  try {
    await Promise.all(made.map(member => member.start()));
    return made;
  } catch (error) {
    await Promise.all(made.map(member => member.remove()));
    throw error;
  }
}

/** Takes away what tests that were killed have left. */
function sweep(): void {
  for (const name of readdirSync(PLACE).filter(n => n.startsWith(FOLDER))) {
    const pid = name.slice(FOLDER.length).split('-')[0] ?? '';
    if (!existsSync(`/proc/${pid}`)) rmSync(join(PLACE, name), { recursive: true, force: true });
  }
}

function isOpen(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map(server => (server.address() as AddressInfo).port);
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))));
  return ports;
}
