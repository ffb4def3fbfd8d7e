/**
 * Reads and writes kubeconfig files (v1 Config), as kubectl does. The YAML library is loaded with the first use.
 */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Clock } from '../process/clock.ts';
import { writeFileAtomic } from '../process/write-file-atomic.ts';
import { TokenFile, type Credentials, type TlsMaterial } from './credentials.ts';
import { HttpTransport } from './http-transport.ts';

/** What one context of a kubeconfig says. */
export interface KubeconfigEntry {
  /** Names cluster, user and context when written; default `k8ts`. */
  name?: string | undefined;
  server: string;
  tls: TlsMaterial;
  token?: string | undefined;
  tokenFile?: string | undefined;
  namespace?: string | undefined;
}

interface Named {
  name?: string;
  [member: string]: unknown;
}

interface Config {
  clusters?: (Named & { cluster?: Record<string, unknown> })[];
  users?: (Named & { user?: Record<string, unknown> })[];
  contexts?: (Named & { context?: Record<string, unknown> })[];
  'current-context'?: string;
  [member: string]: unknown;
}

/**
 * The current context (or the one named) of a file.
 * @throws Error naming the file and what is wrong with it
 */
export async function loadKubeconfig(path: string, contextName?: string): Promise<KubeconfigEntry> {
  const config = await readConfig(path);
  const name = contextName ?? config['current-context'];
  const context = config.contexts?.find(c => c.name === name)?.context;
  if (context === undefined) throw new Error(`Cannot use kubeconfig ${path}: it has no context "${name ?? ''}"`);
  const cluster = config.clusters?.find(c => c.name === context['cluster'])?.cluster;
  if (typeof cluster?.['server'] !== 'string') {
    throw new Error(`Cannot use kubeconfig ${path}: cluster "${String(context['cluster'])}" has no server`);
  }
  const user = config.users?.find(u => u.name === context['user'])?.user ?? {};
  if (user['exec'] !== undefined)
    throw new Error(`Cannot use kubeconfig ${path}: exec credential plugins are not supported`);
  const data = (holder: Record<string, unknown>, field: string) => readData(path, holder, field);
  return {
    name,
    server: cluster['server'].replace(/\/$/, ''),
    tls: {
      ca: await data(cluster, 'certificate-authority'),
      cert: await data(user, 'client-certificate'),
      key: await data(user, 'client-key'),
      serverName: text(cluster['tls-server-name']),
      insecureSkipVerify: cluster['insecure-skip-tls-verify'] === true,
    },
    token: text(user['token']),
    tokenFile: text(user['tokenFile']),
    namespace: text(context['namespace']),
  };
}

/** Writes a file with one context, mode 0600. */
export async function writeKubeconfig(path: string, entry: KubeconfigEntry): Promise<void> {
  await writeConfig(path, withEntry({}, entry));
}

/** Sets cluster, user and context `entry.name` in a file that may have others, and makes it the current one. */
export async function mergeKubeconfig(path: string, entry: KubeconfigEntry): Promise<void> {
  await writeConfig(path, withEntry(await readConfig(path, true), entry));
}

/** Takes cluster, user and context `name` out of a file; a missing file is no error. */
export async function removeFromKubeconfig(path: string, name: string): Promise<void> {
  const config = await readConfig(path, true);
  const without = <N extends Named>(list: N[] | undefined): N[] => (list ?? []).filter(item => item.name !== name);
  const { clusters, users, contexts } = config;
  if (![clusters, users, contexts].some(list => list?.some(item => item.name === name))) return;
  const rest = { ...config, clusters: without(clusters), users: without(users), contexts: without(contexts) };
  if (rest['current-context'] === name) rest['current-context'] = rest.contexts[0]?.name ?? '';
  await writeConfig(path, rest);
}

/** The transport that a kubeconfig entry describes. */
export function transportFor(entry: KubeconfigEntry, clock: Clock, userAgent?: string): HttpTransport {
  const file = entry.tokenFile === undefined ? undefined : new TokenFile(entry.tokenFile, clock);
  const credentials: Credentials = {
    tls: () => entry.tls,
    token: () => (file === undefined ? Promise.resolve(entry.token) : file.read()),
  };
  return new HttpTransport({ servers: [entry.server], credentials, userAgent });
}

function withEntry(config: Config, entry: KubeconfigEntry): Config {
  const { name = 'k8ts', server, tls } = entry;
  const base64 = (pem: string | undefined) => (pem === undefined ? undefined : Buffer.from(pem).toString('base64'));
  const cluster = defined({
    server,
    'certificate-authority-data': base64(tls.ca),
    'tls-server-name': tls.serverName,
    'insecure-skip-tls-verify': tls.insecureSkipVerify === true ? true : undefined,
  });
  const user = defined({
    'client-certificate-data': base64(tls.cert),
    'client-key-data': base64(tls.key),
    token: entry.token,
    tokenFile: entry.tokenFile,
  });
  const context = defined({ cluster: name, user: name, namespace: entry.namespace });
  const put = <N extends Named>(list: N[] | undefined, item: N): N[] => [
    ...(list ?? []).filter(i => i.name !== name),
    item,
  ];
  return {
    apiVersion: 'v1',
    kind: 'Config',
    ...config,
    clusters: put(config.clusters, { name, cluster }),
    users: put(config.users, { name, user }),
    contexts: put(config.contexts, { name, context }),
    'current-context': name,
  };
}

async function readConfig(path: string, mayBeMissing = false): Promise<Config> {
  let content: string;
  try {
    content = await readFile(path, 'utf8');
  } catch (error) {
    if (mayBeMissing && (error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new Error(`Cannot read kubeconfig ${path}: ${(error as Error).message}`, { cause: error });
  }
  const { parse } = await import('yaml');
  try {
    const config: unknown = parse(content, { version: '1.1' });
    if (config === null && mayBeMissing) return {};
    if (typeof config === 'object' && config !== null && !Array.isArray(config)) return config as Config;
  } catch (error) {
    throw new Error(`Cannot read kubeconfig ${path}: ${(error as Error).message}`, { cause: error });
  }
  throw new Error(`Cannot read kubeconfig ${path}: it is no YAML mapping`);
}

async function writeConfig(path: string, config: Config): Promise<void> {
  const { stringify } = await import('yaml');
  await writeFileAtomic(path, stringify(config, { version: '1.1', lineWidth: 0 }), 0o600);
}

/** `field-data` holds base64; `field` names a file, beside the kubeconfig if it is relative. */
async function readData(path: string, holder: Record<string, unknown>, field: string): Promise<string | undefined> {
  const inline = text(holder[`${field}-data`]);
  if (inline !== undefined) return Buffer.from(inline, 'base64').toString('utf8');
  const file = text(holder[field]);
  return file === undefined ? undefined : readFile(resolve(dirname(path), file), 'utf8');
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function defined(object: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined));
}
