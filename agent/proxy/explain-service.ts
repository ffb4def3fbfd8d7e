/** What the proxy does for a service and what the kernel has of it, for `k8ts proxy explain` and `k8ts proxy check`. Reads; changes nothing. */
import type { Service } from '../../proto/api/core-v1.ts';
import { hostPort } from '../../machinery/meta/host-port.ts';
import type { ProxyBackend, ServiceUpdate } from './backend.ts';
import type { AddressFamily } from './plan/address.ts';
import { OTHER_PROXY_LABEL, isProxied } from './plan/is-proxied.ts';
import type { EndpointModel, ServicePortModel } from './plan/model.ts';
import type { PathStep, RuleDifference } from './plan/packet-path.ts';

export interface ServiceExplanation {
  /** `namespace/name`. */
  readonly service: string;
  /** Why there is nothing to see, if so. */
  readonly notes: readonly string[];
  readonly families: readonly {
    readonly family: AddressFamily;
    readonly mode: ProxyBackend['name'];
    /** A line a port: what is wanted of it. */
    readonly ports: readonly string[];
    readonly problems: readonly string[];
    readonly path: readonly PathStep[];
  }[];
}

export interface RuleCheck {
  readonly families: readonly {
    readonly family: AddressFamily;
    readonly mode: ProxyBackend['name'];
    readonly services: number;
    /** Absent where nothing counts as a rule. */
    readonly rules?: number;
    /** Services whose changes are not written yet. */
    readonly pending: number;
    readonly differences: readonly RuleDifference[];
  }[];
}

/** One address family of the proxy, to be looked into. */
export interface ExplainableFamily {
  readonly family: AddressFamily;
  readonly backend: ProxyBackend;
  readonly pending: () => number;
  /** What is wanted of a service. */
  readonly updateOf: (service: string) => ServiceUpdate;
  /** What is wrong with it. */
  readonly problemsOf: (service: string) => readonly string[];
}

export async function explainService(
  key: string,
  service: Service,
  families: readonly ExplainableFamily[],
): Promise<ServiceExplanation> {
  const notes = [whyNothing(service)].filter(note => note !== undefined);
  if (notes.length > 0) return { service: key, notes, families: [] };
  const explained = families.map(async ({ family, backend, updateOf, problemsOf }) => {
    const update = updateOf(key);
    const path = update.ports.length === 0 ? [] : ((await backend.path?.(update)) ?? []);
    const ports = update.ports.map(describePort);
    return { family, mode: backend.name, ports, problems: problemsOf(key), path };
  });
  return { service: key, notes, families: (await Promise.all(explained)).filter(({ ports }) => ports.length > 0) };
}

export async function checkRules(
  services: readonly string[],
  families: readonly ExplainableFamily[],
): Promise<RuleCheck> {
  const checked = families.map(async ({ family, backend, pending, updateOf }) => {
    const rules = backend.ruleCounts === undefined ? undefined : sum(backend.ruleCounts().values());
    const differences = [
      ...[...backend.refused].map(([service, reason]) => refusedDifference(service, reason)),
      ...((await backend.compare?.(services.map(updateOf))) ?? []),
    ];
    return {
      family,
      mode: backend.name,
      services: services.length,
      ...(rules === undefined ? {} : { rules }),
      pending: pending(),
      differences,
    };
  });
  return { families: await Promise.all(checked) };
}

function refusedDifference(service: string, reason: string): RuleDifference {
  return { service, kind: 'missing', where: `rules, which were refused: ${reason}` };
}

function whyNothing(service: Service): string | undefined {
  if (isProxied(service)) return undefined;
  const { type, clusterIP, externalName } = service.spec;
  if (type === 'ExternalName')
    return `of type ExternalName: cluster DNS answers with ${externalName}, no packet passes here`;
  if (clusterIP === 'None')
    return 'headless: cluster DNS answers with the addresses of its endpoints, no packet passes here';
  const other = service.metadata.labels?.[OTHER_PROXY_LABEL];
  if (other !== undefined) return `left to the proxy ${other}, as its label ${OTHER_PROXY_LABEL} asks`;
  return 'it has no cluster IP yet';
}

/** `http 80/TCP at 10.96.12.7, node port 30080: 3 endpoints (1 here), affinity 10800 s`. */
function describePort(port: ServicePortModel): string {
  const [, name = ''] = port.name.split(':');
  const at = [...(port.clusterIP === undefined ? [] : [port.clusterIP]), ...port.externalIPs, ...port.loadBalancerIPs];
  const told = [
    `${name === '' ? '' : `${name} `}${port.port}/${port.protocol} at ${at.join(', ') || 'an address that this node answers itself'}`,
    port.nodePort === undefined ? undefined : `node port ${port.nodePort}`,
    endpointsText(port),
    port.internalPolicy === 'Local' ? 'internal traffic stays on the node' : undefined,
    port.externalPolicy === 'Local' ? 'external traffic stays on the node' : undefined,
    port.affinitySeconds === undefined ? undefined : `a client keeps its endpoint for ${port.affinitySeconds} s`,
    port.sourceRanges.length === 0 ? undefined : `load balancer for ${port.sourceRanges.join(', ')} alone`,
  ];
  return told.filter(text => text !== undefined).join('; ');
}

function endpointsText({ clusterEndpoints, localEndpoints }: ServicePortModel): string {
  const all = [...new Map([...clusterEndpoints, ...localEndpoints].map(e => [hostPort(e.ip, e.port), e])).values()];
  if (all.length === 0) return 'no endpoints: refused at once';
  const here = all.filter((e: EndpointModel) => e.local).length;
  return `${all.length} endpoint${all.length === 1 ? '' : 's'} (${here} on this node)`;
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
