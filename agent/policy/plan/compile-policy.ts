/**
 * A NetworkPolicy with its selectors compiled and its blocks computed.
 * Source: kubernetes.io/docs, "Network Policies"; `networking.k8s.io/v1`, 1.36.
 */
import { compileLabelSelector } from '../../../machinery/meta/label-selector.ts';
import type { LabelSelector } from '../../../machinery/meta/label-selector.ts';
import type { IpFamily } from '../../../machinery/meta/ip-number.ts';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { keyOf } from '../../../machinery/meta/object.ts';
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../../../proto/api/networking-v1.ts';
import { subtractNetworks } from './ip-block.ts';
import type { PortRange, Protocol } from './model.ts';
import type { PeerSelector } from './peer-selector.ts';

/** One end that is let through. */
export type CompiledPeer =
  | { readonly kind: 'any' }
  | { readonly kind: 'pods'; readonly selector: PeerSelector }
  | { readonly kind: 'networks'; readonly family: IpFamily; readonly cidrs: readonly string[] };

export type CompiledPort =
  | { readonly kind: 'any' }
  | { readonly kind: 'range'; readonly protocol: Protocol; readonly range: PortRange }
  | { readonly kind: 'named'; readonly protocol: Protocol; readonly name: string };

/** Each peer with each port. */
export interface CompiledRule {
  readonly peers: readonly CompiledPeer[];
  readonly ports: readonly CompiledPort[];
}

export interface CompiledPolicy {
  /** `namespace/name`. */
  readonly key: string;
  readonly namespace: string;
  readonly podSelector: LabelSelector;
  /** Undefined: the policy says nothing of that direction. */
  readonly ingress: readonly CompiledRule[] | undefined;
  readonly egress: readonly CompiledRule[] | undefined;
  /** What could not be understood and therefore lets nothing through. */
  readonly problems: readonly string[];
}

const EVERY_PORT: PortRange = { from: 1, to: 65_535 };

export function compilePolicy(policy: NetworkPolicy): CompiledPolicy {
  const { spec } = policy;
  const namespace = policy.metadata.namespace ?? '';
  const problems: string[] = [];
  const rules = (
    side: string,
    list: readonly { peers: NetworkPolicyPeer[] | undefined; ports: NetworkPolicyPort[] | undefined }[],
  ): CompiledRule[] =>
    list.flatMap(({ peers, ports }, i) => {
      try {
        return [{ peers: compilePeers(peers, namespace), ports: compilePorts(ports) }];
      } catch (error) {
        problems.push(`spec.${side}[${i}]: ${errorText(error)}`);
        return [];
      }
    });
  const types = policyTypesOf(policy);
  const ingress = types.has('Ingress')
    ? rules('ingress', spec.ingress?.map(({ from, ports }) => ({ peers: from, ports })) ?? [])
    : undefined;
  const egress = types.has('Egress')
    ? rules('egress', spec.egress?.map(({ to, ports }) => ({ peers: to, ports })) ?? [])
    : undefined;
  return {
    key: keyOf(policy),
    namespace,
    podSelector: compileLabelSelector(spec.podSelector ?? {}),
    ingress,
    egress,
    problems,
  };
}

// The API server fills them in; objects stored before it did say the same without.
function policyTypesOf({ spec }: NetworkPolicy): ReadonlySet<string> {
  const told = spec.policyTypes ?? [];
  if (told.length > 0) return new Set(told);
  return new Set((spec.egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress']);
}

function compilePeers(peers: readonly NetworkPolicyPeer[] | undefined, namespace: string): CompiledPeer[] {
  // No peers are all; a list of peers none of which matches is none.
  if (peers === undefined || peers.length === 0) return [{ kind: 'any' }];
  return peers.map(({ ipBlock, podSelector, namespaceSelector }) => {
    if (ipBlock !== undefined)
      return { kind: 'networks', ...subtractNetworks(ipBlock.cidr ?? '', ipBlock.except ?? []) };
    return {
      kind: 'pods',
      selector: {
        namespaces:
          namespaceSelector === undefined ? { name: namespace } : { selector: compileLabelSelector(namespaceSelector) },
        pods: compileLabelSelector(podSelector ?? {}),
      },
    };
  });
}

function compilePorts(ports: readonly NetworkPolicyPort[] | undefined): CompiledPort[] {
  if (ports === undefined || ports.length === 0) return [{ kind: 'any' }];
  return ports.map(({ protocol: told, port, endPort }) => {
    const protocol = (told ?? 'TCP') as Protocol;
    if (port === undefined) return { kind: 'range', protocol, range: EVERY_PORT };
    if (typeof port === 'string') return { kind: 'named', protocol, name: port };
    return { kind: 'range', protocol, range: { from: port, to: endPort ?? port } };
  });
}
