/**
 * What the API says of a connection, read straight from its text and the objects, with nothing compiled, hashed or shared: slow, plain, and
 * by another hand than the code that it judges. Source: kubernetes.io/docs, "Network Policies"; `networking.k8s.io/v1`.
 */
import type { Namespace, Pod } from '../../../proto/api/core-v1.ts';
import type { LabelSelector } from '../../../proto/api/meta-v1.ts';
import type { NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort } from '../../../proto/api/networking-v1.ts';

export interface World {
  readonly policies: readonly NetworkPolicy[];
  readonly pods: readonly Pod[];
  readonly namespaces: readonly Namespace[];
}

export interface Connection {
  readonly from: string;
  readonly to: string;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  readonly port: number;
}

export function isIngressAllowed(world: World, connection: Connection): boolean {
  return isDirectionAllowed(world, 'Ingress', connection);
}

export function isEgressAllowed(world: World, connection: Connection): boolean {
  return isDirectionAllowed(world, 'Egress', connection);
}

function isDirectionAllowed(world: World, type: 'Ingress' | 'Egress', connection: Connection): boolean {
  const self = podAt(world, type === 'Ingress' ? connection.to : connection.from);
  if (self === undefined || connection.from === connection.to) return true;
  const speaking = world.policies.filter(
    policy =>
      policy.metadata.namespace === self.metadata.namespace &&
      matches(policy.spec.podSelector ?? {}, self.metadata.labels ?? {}) &&
      typesOf(policy).includes(type),
  );
  if (speaking.length === 0) return true;
  const other = type === 'Ingress' ? connection.from : connection.to;
  for (const policy of speaking) {
    const rules =
      type === 'Ingress'
        ? (policy.spec.ingress ?? []).map(rule => ({ peers: rule.from ?? [], ports: rule.ports ?? [] }))
        : (policy.spec.egress ?? []).map(rule => ({ peers: rule.to ?? [], ports: rule.ports ?? [] }));
    for (const { peers, ports } of rules) {
      const isPeer = peers.length === 0 || peers.some(peer => isPeerAt(world, policy, peer, other));
      const isPort = ports.length === 0 || ports.some(port => isPortOf(world, port, connection));
      if (isPeer && isPort) return true;
    }
  }
  return false;
}

function typesOf(policy: NetworkPolicy): readonly string[] {
  if (policy.spec.policyTypes !== undefined && policy.spec.policyTypes.length > 0) return policy.spec.policyTypes;
  return (policy.spec.egress ?? []).length > 0 ? ['Ingress', 'Egress'] : ['Ingress'];
}

function podAt(world: World, address: string): Pod | undefined {
  return world.pods.find(
    pod =>
      pod.spec.hostNetwork !== true &&
      !['Succeeded', 'Failed'].includes(pod.status?.phase ?? '') &&
      (pod.status?.podIPs ?? []).some(({ ip }) => ip === address),
  );
}

function isPeerAt(world: World, policy: NetworkPolicy, peer: NetworkPolicyPeer, address: string): boolean {
  if (peer.ipBlock !== undefined) {
    const { cidr = '', except = [] } = peer.ipBlock;
    return isInBlock(address, cidr) && !except.some(part => isInBlock(address, part));
  }
  const pod = podAt(world, address);
  if (pod === undefined) return false;
  if (peer.namespaceSelector === undefined) {
    if (pod.metadata.namespace !== policy.metadata.namespace) return false;
  } else {
    const namespace = world.namespaces.find(({ metadata }) => metadata.name === pod.metadata.namespace);
    const isAny = Object.values(peer.namespaceSelector).every(part => part === undefined || Object.keys(part).length === 0);
    if (!isAny && namespace === undefined) return false;
    if (!isAny && !matches(peer.namespaceSelector, namespace?.metadata.labels ?? {})) return false;
  }
  return peer.podSelector === undefined || matches(peer.podSelector, pod.metadata.labels ?? {});
}

function isPortOf(world: World, port: NetworkPolicyPort, connection: Connection): boolean {
  if ((port.protocol ?? 'TCP') !== connection.protocol) return false;
  if (port.port === undefined) return true;
  if (typeof port.port === 'number') return connection.port >= port.port && connection.port <= (port.endPort ?? port.port);
  const destination = podAt(world, connection.to);
  return (destination?.spec.containers ?? []).some(container =>
    (container.ports ?? []).some(
      ({ name, containerPort, protocol }) =>
        name === port.port && containerPort === connection.port && (protocol ?? 'TCP') === connection.protocol,
    ),
  );
}

function matches(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  for (const [key, value] of Object.entries(selector.matchLabels ?? {})) if (labels[key] !== value) return false;
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const value = labels[key];
    if (operator === 'In' && (value === undefined || !values.includes(value))) return false;
    if (operator === 'NotIn' && value !== undefined && values.includes(value)) return false;
    if (operator === 'Exists' && value === undefined) return false;
    if (operator === 'DoesNotExist' && value !== undefined) return false;
  }
  return true;
}

export function isInBlock(address: string, cidr: string): boolean {
  const [base = '', length = '0'] = cidr.split('/');
  if (base.includes(':') !== address.includes(':')) return false;
  return bitsOf(base).slice(0, Number(length)) === bitsOf(address).slice(0, Number(length));
}

function bitsOf(address: string): string {
  if (!address.includes(':')) return address.split('.').map(part => Number(part).toString(2).padStart(8, '0')).join('');
  const [head = '', tail] = address.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const middle = tail === undefined ? [] : Array.from({ length: 8 - left.length - right.length }, () => '0');
  return [...left, ...middle, ...right].map(part => parseInt(part, 16).toString(2).padStart(16, '0')).join('');
}
