/** A `k8ts server` of a test's own: the real program with folders and a port of its own, that can be killed and started again. */
import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadKubeconfig, type KubeconfigEntry } from '../../machinery/client/kubeconfig.ts';
import { ApiClient } from './api-client.ts';
import type { Estate } from './estate.ts';
import { freePort } from '../../machinery/process/testdata/free-port.ts';
import { BUNDLE } from './host.ts';
import { waitFor } from './wait-for.ts';

export class ServerProcess {
  private readonly directory: string;
  private child: ChildProcess | undefined;
  private port: number | undefined;
  private readonly settings: Readonly<Record<string, unknown>>;

  /** @param settings flags of its own, as its configuration file has them */
  constructor(estate: Estate, settings: Readonly<Record<string, unknown>> = {}) {
    this.directory = join(estate.directory, 'server');
    this.settings = settings;
  }

  /** The database file. */
  get store(): string {
    return join(this.directory, 'data', 'server', 'state.db');
  }

  /** Starts the program; it may not be ready yet. */
  async launch(): Promise<void> {
    if (this.port === undefined) await this.configure();
    const log = openSync(join(this.directory, 'output.log'), 'a');
    const argv = [BUNDLE, 'server', '--config-dir', join(this.directory, 'config')];
    this.child = spawn(process.execPath, argv, { stdio: ['ignore', log, log] });
    closeSync(log);
  }

  /** Resolves once it serves. @throws Error with the end of its log when it does not, or ended by itself */
  async ready(): Promise<void> {
    const look = async (): Promise<'ready' | 'ended' | false> => {
      if (this.child?.exitCode !== null) return 'ended';
      return (await this.isReady()) ? 'ready' : false;
    };
    const state = await waitFor('the server to be ready', look, { everyMs: 20 });
    if (state === 'ended') throw new Error(`the server ended by itself: ${this.logged().slice(-3_000)}`);
  }

  /** SIGKILL, and waits until it is gone. */
  async kill9(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null)
      throw new Error(`it does not run: ${this.logged().slice(-3_000)}`);
    const gone = new Promise(resolve => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  /** Stops it where it is, or lets it go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.child?.kill(signal);
  }

  /** The administrator's kubeconfig. */
  get kubeconfig(): string {
    return join(this.directory, 'config', 'kubeconfig.yaml');
  }

  /** Address and administrator's credentials. */
  credentials(): Promise<KubeconfigEntry> {
    return loadKubeconfig(this.kubeconfig);
  }

  /** What it wrote so far, over all its lives. */
  logged(): string {
    const file = join(this.directory, 'output.log');
    return existsSync(file) ? readFileSync(file, 'utf8') : '';
  }

  private async isReady(): Promise<boolean> {
    if (!existsSync(this.kubeconfig)) return false;
    const client = new ApiClient(await this.credentials());
    try {
      return (await client.request('GET', '/readyz')).status === 200;
    } finally {
      client.close();
    }
  }

  private async configure(): Promise<void> {
    this.port = await freePort();
    const at = (name: string): string => join(this.directory, name);
    mkdirSync(at('config'), { recursive: true });
    const settings = {
      'data-dir': at('data'),
      'run-dir': at('run'),
      'log-dir': at('log'),
      'node-name': 'server',
      'node-ip': '127.0.0.1',
      'bind-address': '127.0.0.1',
      'advertise-address': '127.0.0.1',
      'secure-port': this.port,
      // Many servers run here at once.
      'scheduler-bind-address': 'none',
      'controllers-bind-address': 'none',
      ...this.settings,
    };
    writeFileSync(join(at('config'), 'config.yaml'), JSON.stringify(settings));
  }
}
