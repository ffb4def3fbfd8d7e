/**
 * The node ports of Services: which one has, which it wants, and what it gets. Pure.
 * Source: kubernetes `pkg/registry/core/service/storage/alloc.go` (initNodePorts, updateNodePorts, health check), 1.36.
 */
import type { ServicePort, ServiceSpec } from '../../../proto/api/core-v1.ts';

/** One port that a Service asks for; `set` puts what it got in its place. */
export interface PortWish {
  /** 0: any. */
  readonly asked: number;
  /** Index in spec.ports; 'health' for healthCheckNodePort. */
  readonly place: number | 'health';
  set(port: number): void;
}

/** The wishes of a new Service. Ports of one number share a node port, whatever their protocols. */
export function wishesOf(spec: ServiceSpec): PortWish[] {
  const wishes: PortWish[] = [];
  const shared = new Map<number, { wish: PortWish; members: ServicePort[] }>();
  for (const [i, port] of (spec.ports ?? []).entries()) {
    if (!takesNodePorts(spec) || (!port.nodePort && !allocates(spec))) continue;
    const same = shared.get(port.port);
    if (same === undefined) {
      const members = [port];
      const asked = spec.ports?.find(other => other.port === port.port && other.nodePort)?.nodePort ?? 0;
      const wish: PortWish = {
        asked,
        place: i,
        set: given => members.forEach(member => (member.nodePort ||= given)),
      };
      shared.set(port.port, { wish, members });
      wishes.push(wish);
    } else {
      same.members.push(port);
      if (port.nodePort && port.nodePort !== same.wish.asked && !wishes.some(wish => wish.asked === port.nodePort))
        wishes.push({ asked: port.nodePort, place: i, set: () => {} });
    }
  }
  if (needsHealthPort(spec)) wishes.push(healthWish(spec));
  return wishes;
}

/** What an update of a Service wants on top of what it has. */
export function furtherWishes(spec: ServiceSpec, older: ServiceSpec): PortWish[] {
  const held = new Set(nodePortsOf(older));
  const wishes: PortWish[] = [];
  for (const [i, port] of (spec.ports ?? []).entries()) {
    if (!takesNodePorts(spec) || (!port.nodePort && !allocates(spec))) continue;
    const asked = port.nodePort ?? 0;
    if (asked !== 0 && (held.has(asked) || wishes.some(wish => wish.asked === asked))) continue;
    wishes.push({ asked, place: i, set: given => (port.nodePort = given) });
  }
  const health = spec.healthCheckNodePort ?? 0;
  if (needsHealthPort(spec) && (health === 0 || !held.has(health))) wishes.push(healthWish(spec));
  return wishes;
}

/** Every node port that a Service holds, each once. */
export function nodePortsOf(spec: ServiceSpec | undefined): number[] {
  const ports = (spec?.ports ?? []).map(port => port.nodePort ?? 0);
  if (spec?.healthCheckNodePort) ports.push(spec.healthCheckNodePort);
  return [...new Set(ports.filter(port => port > 0))];
}

function healthWish(spec: ServiceSpec): PortWish {
  return {
    asked: spec.healthCheckNodePort ?? 0,
    place: 'health',
    set: given => (spec.healthCheckNodePort = given),
  };
}

function takesNodePorts(spec: ServiceSpec): boolean {
  return spec.type === 'NodePort' || spec.type === 'LoadBalancer';
}

/** A LoadBalancer may go without; ports that it names itself it gets all the same. */
function allocates(spec: ServiceSpec): boolean {
  return spec.type === 'NodePort' || spec.allocateLoadBalancerNodePorts !== false;
}

function needsHealthPort(spec: ServiceSpec): boolean {
  return spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
}
