/** What a made-up node writes of itself: the Node, its Lease, and its heartbeat. Pure. */
import type { Lease } from '../../../proto/api/coordination-v1.ts';
import type { Node, NodeCondition } from '../../../proto/api/core-v1.ts';
import { formatTime } from '../../../machinery/meta/time.ts';

export interface NodeShape {
  /** Quantities of each node. */
  readonly cpu: string;
  readonly memory: string;
  readonly pods: string;
  /** Nodes are spread over so many zones. */
  readonly zones: number;
}

/** The label that all nodes of one run carry; its value is their prefix. */
export const PRETENDED_BY = 'k8ts.io/pretended-by';
const LEASES = 'kube-node-lease';

export function nodeName(prefix: string, index: number): string {
  return `${prefix}-${index}`;
}

/** One of its own for up to 65,536 nodes, in a range for benchmarks (RFC 2544). */
export function nodeAddress(index: number): string {
  return `198.18.${(index >> 8) & 255}.${index & 255}`;
}

/** @param epochMs the heartbeat that it begins with */
export function nodeObject(prefix: string, index: number, shape: NodeShape, epochMs: number): Node {
  const name = nodeName(prefix, index);
  const { cpu, memory, pods } = shape;
  const resources = { cpu, memory, pods, 'ephemeral-storage': '1Ti' };
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name,
      labels: {
        'kubernetes.io/hostname': name,
        'kubernetes.io/os': 'linux',
        'kubernetes.io/arch': 'amd64',
        'topology.kubernetes.io/region': 'region-0',
        'topology.kubernetes.io/zone': `zone-${index % shape.zones}`,
        [PRETENDED_BY]: prefix,
      },
    },
    spec: {},
    status: {
      capacity: resources,
      allocatable: resources,
      addresses: [
        { type: 'InternalIP', address: nodeAddress(index) },
        { type: 'Hostname', address: name },
      ],
      conditions: nodeConditions(epochMs),
      nodeInfo: {
        architecture: 'amd64',
        operatingSystem: 'linux',
        bootID: name,
        machineID: name,
        systemUUID: name,
        containerRuntimeVersion: 'pretend://1',
        kernelVersion: '0',
        kubeProxyVersion: '',
        kubeletVersion: 'v1.36.0',
        osImage: 'none',
      },
    },
  };
}

/** All is well since `sinceMs`. */
export function nodeConditions(epochMs: number, sinceMs = epochMs): NodeCondition[] {
  const times = { lastHeartbeatTime: formatTime(epochMs), lastTransitionTime: formatTime(sinceMs) };
  const fine = (type: string, what: string): NodeCondition => ({
    type,
    status: 'False',
    reason: `KubeletHas${what}`,
    message: `kubelet has ${what}`,
    ...times,
  });
  return [
    fine('MemoryPressure', 'SufficientMemory'),
    fine('DiskPressure', 'NoDiskPressure'),
    fine('PIDPressure', 'SufficientPID'),
    { type: 'Ready', status: 'True', reason: 'KubeletReady', message: 'a made-up node is always ready', ...times },
  ];
}

/** @param resourceVersion of the Lease that is there; undefined to make one */
export function leaseObject(
  node: { readonly name: string; readonly uid: string },
  durationSeconds: number,
  epochMs: number,
  resourceVersion: string | undefined,
): Lease {
  const { name, uid } = node;
  return {
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: {
      namespace: LEASES,
      name,
      ownerReferences: [{ apiVersion: 'v1', kind: 'Node', name, uid }],
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    spec: {
      holderIdentity: name,
      leaseDurationSeconds: durationSeconds,
      renewTime: `${new Date(epochMs).toISOString().slice(0, -1)}000Z`,
    },
  };
}
