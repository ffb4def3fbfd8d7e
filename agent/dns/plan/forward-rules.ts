/** Whom to ask for which names outside the cluster's domain, as the cluster's administrator says it. */

/** A name server that is asked. */
export interface Upstream {
  readonly address: string;
  readonly port: number;
}

export interface ForwardRules {
  /** Undefined: those of the host. */
  readonly upstreams: readonly Upstream[] | undefined;
  /** By domain, in lower case without the last dot. */
  readonly stubDomains: ReadonlyMap<string, readonly Upstream[]>;
}

export interface ReadRules {
  readonly rules: ForwardRules;
  /** What could not be taken, one sentence each; the rest holds. */
  readonly problems: readonly string[];
}

const DOMAIN = /^[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?(\.[a-z0-9_]([-a-z0-9_]*[a-z0-9_])?)*$/;
const MAX_SERVERS = 15;

/**
 * Reads the data of ConfigMap `kube-system/kube-dns`: `upstreamNameservers` a JSON list of addresses, `stubDomains` a JSON object of such
 * lists by domain; `address`, `address:port` or `[v6]:port`.
 *
 * Source: kubernetes.io/docs, "Customizing DNS Service", kube-dns.
 *
 * @param isOwn whether that address is our own
 */
export function readForwardRules(
  data: Readonly<Record<string, string>>,
  isAddress: (text: string) => boolean,
  isOwn: (address: string) => boolean,
): ReadRules {
  const problems: string[] = [];
  const servers = (of: string, value: unknown): readonly Upstream[] => {
    if (!Array.isArray(value)) return (problems.push(`${of}: ${JSON.stringify(value)} is no list of addresses`), []);
    return value.slice(0, MAX_SERVERS).flatMap((text: unknown) => {
      const server = typeof text === 'string' ? parseServer(text, isAddress) : undefined;
      const problem =
        server === undefined ? 'is no address' : isOwn(server.address) ? 'is the address of cluster DNS itself' : '';
      if (problem !== '') problems.push(`${of}: ${JSON.stringify(text)} ${problem}`);
      return server === undefined || problem !== '' ? [] : [server];
    });
  };
  const parse = (key: string): unknown => {
    const text = data[key];
    if (text === undefined || text.trim() === '') return undefined;
    try {
      return JSON.parse(text) as unknown;
    } catch {
      return void problems.push(`data.${key}: no JSON`);
    }
  };

  const upstreams = parse('upstreamNameservers');
  const own = upstreams === undefined ? [] : servers('data.upstreamNameservers', upstreams);
  const stubs = parse('stubDomains') ?? {};
  const stubDomains = new Map<string, readonly Upstream[]>();
  if (typeof stubs !== 'object' || Array.isArray(stubs))
    problems.push('data.stubDomains: no object of lists by domain');
  else
    for (const [name, value] of Object.entries(stubs)) {
      const domain = name.toLowerCase().replace(/\.$/, '');
      const of = `data.stubDomains[${JSON.stringify(name)}]`;
      const list = servers(of, value);
      if (!DOMAIN.test(domain)) problems.push(`${of}: no domain`);
      else if (list.length > 0) stubDomains.set(domain, list);
    }
  return { rules: { upstreams: own.length > 0 ? own : undefined, stubDomains }, problems };
}

/** @param name in lower case; @returns undefined where the host's servers are to be asked */
export function serversFor(name: string, { upstreams, stubDomains }: ForwardRules): readonly Upstream[] | undefined {
  if (stubDomains.size > 0)
    for (let rest = name; rest !== ''; rest = rest.includes('.') ? rest.slice(rest.indexOf('.') + 1) : '') {
      const servers = stubDomains.get(rest);
      if (servers !== undefined) return servers;
    }
  return upstreams;
}

function parseServer(text: string, isAddress: (text: string) => boolean): Upstream | undefined {
  if (isAddress(text)) return { address: text, port: 53 };
  const [, bracketed, plain, port = ''] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const address = bracketed ?? plain ?? '';
  return isAddress(address) && Number(port) >= 1 && Number(port) <= 65_535
    ? { address, port: Number(port) }
    : undefined;
}
