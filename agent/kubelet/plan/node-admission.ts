/**
 * Whether a node takes a pod that was bound to it. The scheduler decided on older facts, and static pods ask nobody.
 * Source: kubernetes 1.36 `pkg/kubelet/lifecycle/predicate.go`: reasons and texts.
 */
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { nodeMatchesPod } from '../../../machinery/meta/node-selector.ts';
import { Quantity } from '../../../machinery/meta/quantity.ts';
import { allContainers } from './pod-spec.ts';
import type { PodVerdict } from './pod-status.ts';
import { forbiddenSysctl } from './sysctls.ts';
import { addAmounts, parseAmounts, podRequests, type Amounts } from '../../../machinery/meta/pod-resources.ts';

/**
 * @param node undefined while it is not known: then only what the pod itself says counts
 * @param allowedSysctls beside the safe ones; names, or beginnings followed by `*`
 */
export function admitPod(
  pod: Pod,
  others: readonly Pod[],
  node: Node | undefined,
  allowedSysctls: readonly string[] = [],
): PodVerdict | undefined {
  const own = wrongSystem(pod) ?? forbiddenSysctl(pod, allowedSysctls);
  if (own !== undefined || node === undefined) return own;
  return unfitLabels(pod, node) ?? takenPort(pod, others) ?? missingResource(pod, others, node);
}

function wrongSystem({ spec }: Pod): PodVerdict | undefined {
  if (spec.os === undefined || spec.os.name === 'linux') return undefined;
  const message = "Pod was rejected: Failed to admit pod as the OS field doesn't match node OS";
  return { reason: 'PodOSNotSupported', message };
}

function missingResource(pod: Pod, others: readonly Pod[], node: Node): PodVerdict | undefined {
  const allocatable = parseAmounts(node.status?.allocatable);
  const pods = allocatable.get('pods')?.value();
  if (pods !== undefined && others.length + 1 > pods) return outOf('pods', 1, others.length, pods);
  const used = others.reduce<Amounts>((sum, other) => addAmounts(sum, podRequests(other)), new Map());
  for (const [name, wanted] of podRequests(pod)) {
    if (wanted.isZero()) continue;
    const has = allocatable.get(name);
    // What the node does not know of is another's business (extended resources of plug-ins).
    if (has === undefined && name.includes('/')) continue;
    const inUse = used.get(name) ?? Quantity.zero;
    const capacity = has ?? Quantity.zero;
    if (inUse.add(wanted).compare(capacity) <= 0) continue;
    const units = (quantity: Quantity): number => (name === 'cpu' ? quantity.milliValue() : quantity.value());
    return outOf(name, units(wanted), units(inUse), units(capacity));
  }
  return undefined;
}

function outOf(resource: string, requested: number, used: number, capacity: number): PodVerdict {
  const message = `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`;
  return { reason: `OutOf${resource}`, message: `Pod was rejected: ${message}` };
}

function takenPort(pod: Pod, others: readonly Pod[]): PodVerdict | undefined {
  const taken = new Set(others.flatMap(hostPorts));
  const conflict = hostPorts(pod).some(port => taken.has(port));
  if (!conflict) return undefined;
  const message =
    "Pod was rejected: Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports";
  return { reason: 'NodePorts', message };
}

/** An address of its own beside the wildcard is told apart by the scheduler; here the port alone counts when either is a wildcard. */
function hostPorts(pod: Pod): string[] {
  return allContainers(pod).flatMap(({ container }) =>
    (container.ports ?? [])
      .filter(port => (port.hostPort ?? 0) > 0)
      .map(
        port => `${port.protocol ?? 'TCP'}/${port.hostIP === '0.0.0.0' ? '' : (port.hostIP ?? '')}/${port.hostPort}`,
      ),
  );
}

function unfitLabels(pod: Pod, node: Node): PodVerdict | undefined {
  if (nodeMatchesPod(pod, node)) return undefined;
  const message = "Pod was rejected: Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector";
  return { reason: 'NodeAffinity', message };
}
