/** A control node and workers on a wire of their own, brought up by the commands that users run. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hostPort } from '../../machinery/meta/host-port.ts';
import { FailedCommand, readable } from './command.ts';
import { closeEstate, openEstate, type Estate } from './estate.ts';
import { Host, type Settings } from './host.ts';
import { Kubectl } from './kubectl.ts';
import { LabNetwork, type Families } from './lab-network.ts';

export interface ClusterOptions {
  readonly workers?: number;
  /** Addresses of the hosts, the primary family first; default IPv4 alone. Ranges are settings. */
  readonly families?: Families;
  /** How many network segments there are, with a router between them; hosts take turns on them. Default one. */
  readonly segments?: number;
  /** For the control node. */
  readonly settings?: Settings;
  /** For every node. */
  readonly nodeSettings?: Settings;
  /** It stays when this process ends. */
  readonly keep?: boolean;
  /** The host's own namespace may reach the hosts, and these ranges by way of the control node. */
  readonly reachable?: readonly string[];
}

export class Cluster {
  readonly estate: Estate;
  readonly network: LabNetwork;
  readonly control: Host;
  readonly workers: readonly Host[];
  readonly kubectl: Kubectl;

  private readonly options: ClusterOptions;

  constructor(estate: Estate, options: ClusterOptions) {
    this.estate = estate;
    this.options = options;
    this.network = new LabNetwork(estate, options.families, options.segments);
    this.control = new Host(estate, this.network, 'cp', 1, { ...options.nodeSettings, ...options.settings });
    this.workers = Array.from(
      { length: options.workers ?? 0 },
      (_, i) => new Host(estate, this.network, `w${i + 1}`, i + 2, options.nodeSettings),
    );
    this.kubectl = new Kubectl(this.control);
  }

  get hosts(): readonly Host[] {
    return [this.control, ...this.workers];
  }

  get serverUrl(): string {
    return `https://${hostPort(this.control.address, 6443)}`;
  }

  /** Namespaces and folders; nothing runs yet. */
  async build(): Promise<void> {
    await this.network.create();
    if (this.options.reachable !== undefined) await this.network.attachRoot(this.options.reachable);
    for (const host of this.hosts) await host.create();
  }

  /** `k8ts up`. @returns what it printed */
  up(): Promise<string> {
    return explained(this.control, () => this.control.k8ts(['up', '--timeout', '60']));
  }

  /** `k8ts token create` and `k8ts join` on a worker; again after it was killed. */
  async join(worker: Host): Promise<string> {
    const file = worker.path('join-token');
    if (!existsSync(file)) {
      const made = JSON.parse(await this.control.k8ts(['token', 'create', '-o', 'json'])) as { token: string };
      writeFileSync(file, made.token, { mode: 0o600 });
    }
    const input = readFileSync(file, 'utf8');
    return explained(worker, () => worker.k8ts(['join', this.serverUrl, '--token=-'], { input }));
  }

  /** Everything: built, up, joined. */
  async start(): Promise<void> {
    await this.build();
    await this.up();
    for (const worker of this.workers) await this.join(worker);
  }

  /** Takes it away with all that it made. */
  close(): Promise<void> {
    return closeEstate(this.estate);
  }
}

/** Adds the host's log to the error. */
async function explained<T>(host: Host, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof FailedCommand)) throw error;
    throw new Error(readable(`${error.message}\nlog of ${host.name}:\n${host.logTail()}`), { cause: error });
  }
}

/** A cluster of this test alone. Not started. */
export function newCluster(purpose: string, options: ClusterOptions = {}): Cluster {
  return new Cluster(openEstate(`${purpose}-${process.hrtime.bigint()}`, { keep: false }), options);
}

/** The one-node cluster that the suites of one run share; started by whoever asks first, taken away when the run ends. */
export async function sharedCluster(): Promise<Cluster> {
  return named('shared', {});
}

/** The cluster of that name: as it runs, or started now. */
export async function named(name: string, options: ClusterOptions): Promise<Cluster> {
  const estate = openEstate(name, { keep: options.keep ?? false });
  const cluster = new Cluster(estate, options);
  const started = join(estate.directory, 'started');
  if (existsSync(started)) {
    // A suite before this one may have left it down.
    if (cluster.control.pid === undefined) await cluster.up();
    return cluster;
  }
  if (!estate.isNew) throw new Error(`the ${name} cluster did not start before; see the first failure`);
  await cluster.start();
  writeFileSync(started, '');
  return cluster;
}
