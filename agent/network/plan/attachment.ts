/**
 * What the runtime's CNI library remembers of each sandbox that it attached: which link of the host leads to it, its addresses and the
 * host ports that it was given. It writes this when all plugins are done, and takes it away when the sandbox goes, so that it holds
 * after every restart and without the API server.
 * Source: github.com/containernetworking/cni, libcni/api.go, `cachedInfo`.
 */

/** A pod's place in the pod network. */
export interface Attachment {
  readonly containerId: string;
  /** The link's name within the pod. */
  readonly interfaceName: string;
  /** The host's end of it. */
  readonly hostLink: string;
  /** File that names the pod's network namespace. */
  readonly namespacePath: string;
  /** Without prefix length. */
  readonly addresses: readonly string[];
  readonly hostPorts: readonly HostPort[];
}

export interface HostPort {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly hostPort: number;
  readonly containerPort: number;
  /** '' for all addresses of the node. */
  readonly hostIP: string;
}

interface CacheEntry {
  readonly containerId?: string;
  readonly config?: string;
  readonly ifName?: string;
  readonly capabilityArgs?: { readonly portMappings?: readonly Partial<Record<string, unknown>>[] | null } | null;
  readonly result?: {
    readonly interfaces?: readonly { readonly name?: string; readonly sandbox?: string }[];
    readonly ips?: readonly { readonly address?: string }[];
  };
}

/** Files of the network of that name; the rest are other networks'. */
export function isCacheFileOf(networkName: string, file: string): boolean {
  return file.startsWith(`${networkName}-`);
}

/**
 * @param text one file of the cache
 * @param ipamDir several nodes may share a machine and its cache: only attachments made with this directory are of this one
 * @returns undefined for those of other nodes, and for what is no such file
 */
export function readAttachment(text: string, ipamDir: string): Attachment | undefined {
  const entry = parse(text);
  const { containerId, config, ifName, result } = entry ?? {};
  if (typeof containerId !== 'string' || typeof ifName !== 'string' || typeof config !== 'string') return undefined;
  // The configuration as it was then; the directory is spelled as renderCniConfig() wrote it.
  if (!Buffer.from(config, 'base64').toString('utf8').includes(JSON.stringify(ipamDir))) return undefined;
  const interfaces = listOf(result?.interfaces);
  const inside = interfaces.find(one => one.sandbox !== undefined && one.sandbox !== '');
  const outside = interfaces.find(one => (one.sandbox ?? '') === '' && /^veth/.test(one.name ?? ''));
  if (inside?.sandbox === undefined || outside?.name === undefined) return undefined;
  return {
    containerId,
    interfaceName: ifName,
    hostLink: outside.name,
    namespacePath: inside.sandbox,
    addresses: listOf(result?.ips).flatMap(({ address }) =>
      address === undefined ? [] : [address.split('/')[0] ?? ''],
    ),
    hostPorts: listOf(entry?.capabilityArgs?.portMappings).flatMap(readHostPort),
  };
}

/** A file that was damaged is as good as none. */
function listOf<T extends object>(value: readonly T[] | null | undefined): readonly T[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [];
  return list.filter((one): one is T => typeof one === 'object' && one !== null);
}

function parse(text: string): CacheEntry | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    // Caught while it is written: the directory tells of it once more.
    return undefined;
  }
}

// Go's libraries of various age spell the names one way or the other.
function readHostPort(mapping: Partial<Record<string, unknown>>): HostPort[] {
  const field = (name: string): unknown => mapping[name] ?? mapping[(name[0] ?? '').toUpperCase() + name.slice(1)];
  const protocol = String(field('protocol') ?? 'tcp').toLowerCase();
  const [hostPort, containerPort] = [Number(field('hostPort') ?? 0), Number(field('containerPort') ?? 0)];
  const hostIP = String(field('hostIP') ?? '');
  if (!isProtocol(protocol) || hostPort < 1 || containerPort < 1) return [];
  return [{ protocol, hostPort, containerPort, hostIP: ANY_ADDRESS.includes(hostIP) ? '' : hostIP }];
}

const ANY_ADDRESS: readonly string[] = ['0.0.0.0', '::'];

function isProtocol(text: string): text is HostPort['protocol'] {
  return ['tcp', 'udp', 'sctp'].includes(text);
}
