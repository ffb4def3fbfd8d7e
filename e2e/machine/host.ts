/**
 * One machine of a test: a network namespace with an address, folders of its own, and the k8ts command as a user runs it there.
 *
 * - All settings stand in its configuration file, so that every command is `k8ts COMMAND --config-dir DIR`.
 * - It knows nothing but what is on disk: a k8ts that another process started is as good as one of its own.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, tryRun, type CommandOptions, type CommandResult } from './command.ts';
import { namePrefix } from './clear-estate.ts';
import type { Estate } from './estate.ts';
import type { LabNetwork } from './lab-network.ts';
import { addNamespace, inNamespace } from './network-namespace.ts';
import { killHard, startTicks } from './processes.ts';
import { waitFor } from './wait-for.ts';

/** The program under test. */
export const BUNDLE = process.env['E2E_BUNDLE'] ?? fileURLToPath(new URL('../../dist/k8ts.mjs', import.meta.url));

/** Values of the configuration file. */
export type Settings = Readonly<Record<string, string | number | boolean | readonly string[]>>;

/** What `k8ts status` tells. */
export interface HostStatus {
  readonly pid: number;
  readonly phase: string;
  readonly steps: readonly { name: string; state: string; ms: number; detail: string }[];
}

export class Host {
  readonly name: string;
  /** On the lab's wire; the first of `addresses`. */
  readonly address: string;
  /** One of each family that the wire has. */
  readonly addresses: readonly string[];
  readonly namespace: string;
  readonly directory: string;
  readonly cgroupRoot: string;
  private readonly network: LabNetwork;
  private readonly index: number;
  private readonly settings: Settings;

  /** @param index 1 to 200, unique in its network */
  constructor(estate: Estate, network: LabNetwork, name: string, index: number, settings: Settings = {}) {
    this.name = name;
    this.index = index;
    this.network = network;
    this.addresses = network.addressesOf(index);
    this.address = this.addresses[0] ?? '';
    this.namespace = `${namePrefix(estate.id)}${name}`;
    this.directory = join(estate.directory, name);
    this.cgroupRoot = `${namePrefix(estate.id)}${name}`;
    this.settings = settings;
  }

  path(...parts: string[]): string {
    return join(this.directory, ...parts);
  }

  get kubeconfig(): string {
    return this.path('config', 'kubeconfig.yaml');
  }

  get containerdSocket(): string {
    return this.path('run', 'containerd', 'containerd.sock');
  }

  /** Pid of the k8ts that runs here, if one does. */
  get pid(): number | undefined {
    try {
      const [pid = '', ticks = ''] = readFileSync(this.path('run', 'k8ts.pid'), 'utf8').trim().split(' ');
      return startTicks(Number(pid)) === ticks ? Number(pid) : undefined;
    } catch {
      return undefined;
    }
  }

  /** Pid of its private containerd, if that runs. */
  get containerdPid(): number | undefined {
    try {
      const record = JSON.parse(readFileSync(this.path('run', 'containerd', 'containerd.pid'), 'utf8')) as {
        pid: number;
      };
      return startTicks(record.pid) === undefined ? undefined : record.pid;
    } catch {
      return undefined;
    }
  }

  async create(): Promise<void> {
    mkdirSync(this.directory, { recursive: true, mode: 0o711 });
    await addNamespace(this.namespace);
    await this.network.attach(this.namespace, this.index);
    this.writeConfig();
  }

  /** (Again, after a reset took it away.) */
  writeConfig(more: Settings = {}): void {
    const settings: Settings = {
      'data-dir': this.path('data'),
      'run-dir': this.path('run'),
      'log-dir': this.path('log'),
      'node-name': this.name,
      'node-ip': this.addresses,
      'cgroup-root': this.cgroupRoot,
      ...this.settings,
      ...more,
    };
    mkdirSync(this.path('config'), { recursive: true });
    // JSON is YAML.
    writeFileSync(this.path('config', 'config.yaml'), JSON.stringify(settings, undefined, 2));
  }

  /** Runs any program in this host's network. */
  run(argv: readonly string[], options?: CommandOptions): Promise<string> {
    return run(inNamespace(this.namespace, argv), options);
  }

  tryRun(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return tryRun(inNamespace(this.namespace, argv), options);
  }

  /** The command line of `k8ts ...` on this host. */
  k8tsArgv(args: readonly string[]): string[] {
    return inNamespace(this.namespace, [BUNDLE, ...args, '--config-dir', this.path('config')]);
  }

  k8ts(args: readonly string[], options?: CommandOptions): Promise<string> {
    return run(this.k8tsArgv(args), { timeoutMs: 150_000, ...options });
  }

  tryK8ts(args: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return tryRun(this.k8tsArgv(args), { timeoutMs: 150_000, ...options });
  }

  /** What the running process says of itself; undefined when none answers. */
  status(): Promise<HostStatus | undefined> {
    return new Promise(resolve => {
      const req = request({ socketPath: this.path('run', 'k8ts.sock'), path: '/status', agent: false, timeout: 5_000 });
      req.on('response', res => {
        let text = '';
        res.setEncoding('utf8');
        res.on('data', (chunk: string) => (text += chunk));
        res.on('end', () => resolve(text.startsWith('{') ? (JSON.parse(text) as HostStatus) : undefined));
      });
      req.on('timeout', () => req.destroy());
      req.on('error', () => resolve(undefined));
      req.end();
    });
  }

  /** SIGKILL to k8ts alone: its containerd and containers go on. @returns the pid it had */
  async kill9(): Promise<number | undefined> {
    const { pid } = this;
    if (pid === undefined) return undefined;
    killHard(pid);
    await waitFor(`pid ${pid} to end`, () => startTicks(pid) === undefined, { everyMs: 5 });
    return pid;
  }

  /** SIGKILL to its containerd alone. */
  async killContainerd(): Promise<void> {
    const pid = this.containerdPid;
    if (pid === undefined) throw new Error(`no containerd runs on ${this.name}`);
    killHard(pid);
    await waitFor(`containerd ${pid} to end`, () => startTicks(pid) === undefined, { everyMs: 5 });
  }

  reset(): Promise<string> {
    return this.k8ts(['reset', '--yes']);
  }

  /** The last lines of k8ts' log, for messages of failure. */
  logTail(lines = 30): string {
    const path = this.path('log', 'k8ts.log');
    return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n').slice(-lines).join('\n') : '(no log)';
  }
}
