/** Registries on a host, Debian's docker-registry: open or with a password, over HTTP or TLS; and one that hangs in the middle of layers. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createAuthority, DAY_MS, issueKeyPair, type KeyPair } from '../../machinery/pki/certificate.ts';
import type { Host } from './host.ts';
import { inNamespace } from './network-namespace.ts';
import { waitFor } from './wait-for.ts';

const MAIN = fileURLToPath(new URL('../registry/main.ts', import.meta.url));

/** Who is let in where a password is wanted, and the line of an htpasswd file (bcrypt) that says so. */
export const USER = { name: 'tester', password: 'sesame' } as const;
const HTPASSWD = 'tester:$2y$04$abcdefghijklmnopqrstuuinwY/tkBVrn3xrxQI/TgnMHhkvl85RW\n';

export interface RegistryOptions {
  readonly port: number;
  readonly password?: boolean;
  readonly tls?: KeyPair;
}

/** All registries of a host hold the same images. */
export class Registry {
  /** `HOST:PORT`, as image names have it. */
  readonly name: string;
  readonly url: string;
  private readonly host: Host;
  private readonly child: ChildProcess;
  private readonly logPath: string;

  constructor(host: Host, options: RegistryOptions) {
    this.host = host;
    this.name = `${host.address}:${options.port}`;
    this.url = `${options.tls === undefined ? 'http' : 'https'}://${this.name}`;
    this.logPath = host.path('registry', `${options.port}.log`);
    mkdirSync(host.path('registry', 'storage'), { recursive: true });
    const config = host.path('registry', `${options.port}.json`);
    writeFileSync(config, JSON.stringify(this.configure(options)));
    const argv = inNamespace(host.namespace, ['docker-registry', 'serve', config]);
    this.child = start(argv, this.logPath);
  }

  /** @param request a part of a line of the access log, such as `HEAD /v2/team/app/manifests/1` */
  count(request: string): number {
    return readFileSync(this.logPath, 'utf8').split(`"${request} `).length - 1;
  }

  async ready(): Promise<void> {
    const [address = '', port = ''] = this.name.split(':');
    await waitFor(`a registry at ${this.name}`, async () => {
      return (await this.host.tryRun(['bash', '-c', `: < /dev/tcp/${address}/${port}`])).code === 0;
    });
  }

  stop(): void {
    this.child.kill('SIGKILL');
  }

  private configure({ password, tls, port }: RegistryOptions): object {
    const at = (name: string, content: string): string => {
      const path = this.host.path('registry', `${port}.${name}`);
      writeFileSync(path, content, { mode: 0o600 });
      return path;
    };
    return {
      version: 0.1,
      log: { level: 'error' },
      storage: { filesystem: { rootdirectory: this.host.path('registry', 'storage') } },
      http: {
        addr: this.name,
        ...(tls === undefined ? {} : { tls: { certificate: at('crt', tls.certPem), key: at('key', tls.keyPem) } }),
      },
      ...(password === true ? { auth: { htpasswd: { realm: 'test', path: at('htpasswd', HTPASSWD) } } } : {}),
    };
  }
}

/** An authority, and a certificate of its for the host. */
export function certificateFor(host: Host): { readonly authority: KeyPair; readonly own: KeyPair } {
  const nowMs = Date.now();
  const authority = createAuthority('registry-test', nowMs);
  const own = issueKeyPair(authority, {
    subject: { commonName: host.address },
    usages: ['server'],
    ipAddresses: [host.address],
    notBeforeMs: nowMs - DAY_MS,
    notAfterMs: nowMs + DAY_MS,
  });
  return { authority, own };
}

/** Pushes an image `NAME/REPOSITORY:1` with a layer of noise. */
export async function pushNoise(host: Host, registry: Registry, repository: string, bytes: number): Promise<void> {
  await host.run([process.execPath, '--import', 'tsx', MAIN, 'push', registry.url, repository, String(bytes)]);
}

/** A registry in front of another one that never sends large blobs to their end. @returns its `HOST:PORT`, and what ends it */
export function startStalling(host: Host, port: number, behind: Registry): { name: string; stop: () => void } {
  const argv = [process.execPath, '--import', 'tsx', MAIN, 'stall', host.address, String(port), behind.url];
  const child = start(inNamespace(host.namespace, argv), host.path('registry', `${port}.log`));
  return { name: `${host.address}:${port}`, stop: () => void child.kill('SIGKILL') };
}

function start(argv: readonly string[], logPath: string): ChildProcess {
  const [program = '', ...args] = argv;
  const log = openSync(logPath, 'a');
  return spawn(program, args, { stdio: ['ignore', log, log], env: { PATH: process.env['PATH'] } });
}
