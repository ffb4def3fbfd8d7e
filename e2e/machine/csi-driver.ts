/** The CSI driver of e2e/csi-driver as a process on a host. */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { KnobSettings } from '../csi-driver/knobs.ts';
import type { Host } from './host.ts';
import { inNamespace } from './network-namespace.ts';
import { waitFor } from './wait-for.ts';

const PROGRAM = fileURLToPath(new URL('../csi-driver/main.ts', import.meta.url));

export class CsiDriver {
  readonly name: string;
  readonly kubeletRoot: string;
  private readonly host: Host;
  private readonly state: string;
  private child: ChildProcess | undefined;

  constructor(host: Host, name: string) {
    this.host = host;
    this.name = name;
    this.kubeletRoot = host.path('data', 'kubelet');
    this.state = host.path(`csi-${name}`);
  }

  /** Resolves once the kubelet has registered it. */
  async start(): Promise<void> {
    mkdirSync(this.state, { recursive: true });
    const before = this.registrations();
    const output = openSync(join(this.state, 'output.log'), 'a');
    const { kubeconfig, namespace, name } = this.host;
    const [program = '', ...argv] = inNamespace(namespace, [
      process.execPath,
      '--import',
      'tsx',
      PROGRAM,
      this.name,
      this.kubeletRoot,
      this.state,
      kubeconfig,
      name,
    ]);
    this.child = spawn(program, argv, {
      stdio: ['ignore', output, output],
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
    });
    await waitFor(`${this.name} to be registered`, () => this.registrations() > before);
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null) return;
    child.kill(signal);
    await waitFor('the driver to end', () => child.exitCode !== null || child.signalCode !== null);
  }

  set knobs(settings: KnobSettings) {
    writeFileSync(join(this.state, 'knobs.json'), JSON.stringify(settings));
  }

  /** One line a call, oldest first. */
  calls(): string[] {
    const path = join(this.state, 'calls.log');
    return existsSync(path) ? readFileSync(path, 'utf8').trim().split('\n') : [];
  }

  private registrations(): number {
    return this.calls().filter(line => line === 'registered').length;
  }
}
