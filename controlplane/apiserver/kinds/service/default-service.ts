/**
 * What a Service says where its author said nothing, and what it keeps over an update. Addresses, families and ports are
 * given by the registry's allocation. Source: Kubernetes `pkg/apis/core/v1/defaults.go`, `pkg/registry/core/service`, 1.36.
 */
import type { Service, ServicePort, ServiceSpec } from '../../../../proto/api/core-v1.ts';
import { isBlank } from '../../../../machinery/validation/checks.ts';

const AFFINITY_SECONDS = 10800;

export function defaultService(service: Service): void {
  const spec = (service.spec ??= {});
  spec.sessionAffinity ||= 'None';
  if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
  if (spec.sessionAffinity === 'ClientIP') {
    const config = (spec.sessionAffinityConfig ??= {});
    const clientIP = (config.clientIP ??= {});
    clientIP.timeoutSeconds ??= AFFINITY_SECONDS;
  }
  spec.type ||= 'ClusterIP';
  for (const port of spec.ports ?? []) {
    port.protocol ||= 'TCP';
    if (port.targetPort === undefined || port.targetPort === 0 || port.targetPort === '') port.targetPort = port.port;
  }
  if (isExternallyAccessible(spec)) spec.externalTrafficPolicy ||= 'Cluster';
  if (needsClusterIP(spec)) spec.internalTrafficPolicy ??= 'Cluster';
  if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true;
  for (const ingress of service.status?.loadBalancer?.ingress ?? []) if (!isBlank(ingress.ip)) ingress.ipMode ??= 'VIP';
}

export function isExternallyAccessible(spec: ServiceSpec): boolean {
  return (
    spec.type === 'LoadBalancer' ||
    spec.type === 'NodePort' ||
    (spec.type === 'ClusterIP' && (spec.externalIPs ?? []).length > 0)
  );
}

export function needsClusterIP(spec: ServiceSpec): boolean {
  return spec.type === 'ClusterIP' || spec.type === 'NodePort' || spec.type === 'LoadBalancer';
}

/** `clusterIP` and `clusterIPs[0]` are two names of one thing; whoever writes one of them means both. */
export function normalizeClusterIPs(spec: ServiceSpec, older: ServiceSpec | undefined): void {
  const ips = spec.clusterIPs ?? [];
  const single = spec.clusterIP ?? '';
  if (older === undefined) {
    if (single !== '' && ips.length === 0) spec.clusterIPs = [single];
    return;
  }
  const oldSingle = older.clusterIP ?? '';
  const oldIps = older.clusterIPs ?? [];
  const sameIps = ips.length === oldIps.length && ips.every((ip, i) => ip === oldIps[i]);
  if (oldSingle !== single && sameIps) {
    if (single === '') delete spec.clusterIPs;
    else spec.clusterIPs = [single];
  }
}

/** What was allocated stays when an update leaves it out. */
export function keepAllocated(spec: ServiceSpec, older: ServiceSpec): void {
  if (needsClusterIP(spec) && needsClusterIP(older)) {
    if (isBlank(spec.clusterIP) && older.clusterIP !== undefined) spec.clusterIP = older.clusterIP;
    if ((spec.clusterIPs ?? []).length === 0 && spec.clusterIP === older.clusterIP && older.clusterIPs !== undefined) {
      spec.clusterIPs = [...older.clusterIPs];
    }
  }
  if (needsNodePort(spec) && needsNodePort(older)) keepNodePorts(spec.ports ?? [], older.ports ?? []);
  if (needsHealthPort(spec) && needsHealthPort(older) && !spec.healthCheckNodePort && older.healthCheckNodePort) {
    spec.healthCheckNodePort = older.healthCheckNodePort;
  }
}

/** Fields that make no sense any more after a change of type go, if the author left them as they were. */
export function dropStale(spec: ServiceSpec, older: ServiceSpec): void {
  if (needsClusterIP(older) && !needsClusterIP(spec) && spec.clusterIP === older.clusterIP) {
    for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy', 'internalTrafficPolicy'] as const)
      delete spec[field];
  }
  if (needsNodePort(older) && !needsNodePort(spec)) {
    for (const port of spec.ports ?? []) {
      const was = older.ports?.find(other => samePort(port, other));
      if (was !== undefined && was.nodePort === port.nodePort) delete port.nodePort;
    }
  }
  if (needsHealthPort(older) && !needsHealthPort(spec) && spec.healthCheckNodePort === older.healthCheckNodePort) {
    delete spec.healthCheckNodePort;
  }
  if (older.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    if (spec.allocateLoadBalancerNodePorts === older.allocateLoadBalancerNodePorts)
      delete spec.allocateLoadBalancerNodePorts;
    if (spec.loadBalancerClass === older.loadBalancerClass) delete spec.loadBalancerClass;
  }
  if (
    isExternallyAccessible(older) &&
    !isExternallyAccessible(spec) &&
    spec.externalTrafficPolicy === older.externalTrafficPolicy
  ) {
    delete spec.externalTrafficPolicy;
  }
}

function keepNodePorts(ports: readonly ServicePort[], older: readonly ServicePort[]): void {
  const taken = new Set(ports.map(port => `${port.protocol}/${port.nodePort}`));
  for (const port of ports) {
    if (port.nodePort) continue;
    const was = older.find(other => samePort(port, other));
    if (was?.nodePort && !taken.has(`${port.protocol}/${was.nodePort}`)) port.nodePort = was.nodePort;
  }
}

function samePort(a: ServicePort, b: ServicePort): boolean {
  return a.port === b.port && a.protocol === b.protocol;
}

function needsNodePort(spec: ServiceSpec): boolean {
  return spec.type === 'NodePort' || (spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false);
}

export function needsHealthPort(spec: ServiceSpec): boolean {
  return spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
}
