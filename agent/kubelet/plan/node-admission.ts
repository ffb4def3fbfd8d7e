/**
 * Whether a node takes a pod that was bound to it. The scheduler decided on older facts, and static pods ask nobody.
 * Source: kubernetes 1.36 `pkg/kubelet/lifecycle/predicate.go`: reasons, texts, and their order.
 */
import type { Node, Pod } from '../../../proto/api/core-v1.ts';
import { hostPortsOf, portsClash } from '../../../machinery/meta/host-ports.ts';
import { nodeMatchesPod } from '../../../machinery/meta/node-selector.ts';
import { addAmounts, parseAmounts, podRequests, type Amounts } from '../../../machinery/meta/pod-resources.ts';
import { Quantity } from '../../../machinery/meta/quantity.ts';
import { untoleratedTaint } from '../../../machinery/meta/tolerations.ts';
import { isCriticalPod, isStaticPod } from './critical-pod.ts';
import type { PodVerdict } from './pod-status.ts';
import { describeShortages, podsToPreempt, unitsOf, type Shortage } from './preemption.ts';
import { forbiddenSysctl } from './sysctls.ts';

/** Why a pod is turned away. */
export interface AdmissionVerdict extends PodVerdict {
  /** Pods that can make room: once they have ended the pod is taken after all. */
  readonly victims?: readonly Pod[];
  /** What they make room of: the first resource that is short. */
  readonly short?: string | undefined;
}

/**
 * @param others pods that the node has taken
 * @param node undefined while it is not known: then only what the pod itself says counts
 * @param allowedSysctls beside the safe ones; names, or beginnings followed by `*`
 */
export function admitPod(
  pod: Pod,
  others: readonly Pod[],
  node: Node | undefined,
  allowedSysctls: readonly string[] = [],
): AdmissionVerdict | undefined {
  const own = wrongSystem(pod) ?? forbiddenSysctl(pod, allowedSysctls);
  if (own !== undefined || node === undefined) return own;
  const shortages = missingResources(pod, others, node);
  const misfit = unfitLabels(pod, node) ?? takenPort(pod, others) ?? badTaint(pod, node);
  const [first] = shortages;
  if (first === undefined) return misfit;
  if (!isCriticalPod(pod)) return rejection(`OutOf${first.resource}`, first.text);
  // What ends other pods must help.
  return misfit ?? makeRoom(pod, others, shortages);
}

function rejection(reason: string, message: string): AdmissionVerdict {
  return { reason, message: `Pod was rejected: ${message}` };
}

function makeRoom(pod: Pod, others: readonly Pod[], shortages: readonly Shortage[]): AdmissionVerdict {
  const victims = podsToPreempt(pod, others, shortages);
  if (victims !== undefined) {
    const short = shortages[0]?.resource;
    return { ...rejection('Preempting', 'it waits for pods to end'), victims, short };
  }
  const what = `no set of running pods found to reclaim resources: ${describeShortages(shortages)}`;
  return rejection(
    'UnexpectedAdmissionError',
    `Unexpected error while attempting to recover from admission failure: preemption: error finding a set of pods to preempt: ${what}`,
  );
}

function wrongSystem({ spec }: Pod): AdmissionVerdict | undefined {
  if (spec.os !== undefined && spec.os.name !== 'linux')
    return rejection('PodOSNotSupported', "Failed to admit pod as the OS field doesn't match node OS");
  const wanted = spec.nodeSelector?.['kubernetes.io/os'];
  if (wanted === undefined || wanted === 'linux') return undefined;
  const text = "Failed to admit pod as the `kubernetes.io/os` label doesn't match node label";
  return rejection('PodOSSelectorNodeLabelDoesNotMatch', text);
}

/** A shortage, and how it is told. */
interface ToldShortage extends Shortage {
  readonly text: string;
}

function missingResources(pod: Pod, others: readonly Pod[], node: Node): ToldShortage[] {
  const allocatable = parseAmounts(node.status?.allocatable);
  const shortages: ToldShortage[] = [];
  const compare = (resource: string, requested: number, used: number, capacity: number): void => {
    if (used + requested <= capacity) return;
    const text = `Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, capacity: ${capacity}`;
    shortages.push({ resource, amount: requested - (capacity - used), text });
  };
  const pods = allocatable.get('pods')?.value();
  if (pods !== undefined) compare('pods', 1, others.length, pods);
  const used = others.reduce<Amounts>((sum, other) => addAmounts(sum, podRequests(other)), new Map());
  for (const [name, wanted] of podRequests(pod)) {
    if (wanted.isZero()) continue;
    const has = allocatable.get(name);
    // What the node does not know of is another's business (extended resources of plug-ins).
    if (has === undefined && name.includes('/')) continue;
    const units = (quantity: Quantity | undefined): number => unitsOf(name, quantity ?? Quantity.zero);
    compare(name, units(wanted), units(used.get(name)), units(has));
  }
  return shortages;
}

function takenPort(pod: Pod, others: readonly Pod[]): AdmissionVerdict | undefined {
  const wanted = hostPortsOf(pod);
  if (wanted.length === 0) return undefined;
  const taken = others.flatMap(hostPortsOf);
  if (!taken.some(one => wanted.some(port => portsClash(one, port)))) return undefined;
  const text = "Predicate NodePorts failed: node(s) didn't have free ports for the requested pod ports";
  return rejection('NodePorts', text);
}

function unfitLabels(pod: Pod, node: Node): AdmissionVerdict | undefined {
  if (nodeMatchesPod(pod, node)) return undefined;
  return rejection('NodeAffinity', "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector");
}

/** What would end the pod at once. Static pods are above it. */
function badTaint(pod: Pod, node: Node): AdmissionVerdict | undefined {
  if (isStaticPod(pod)) return undefined;
  const taint = untoleratedTaint(node.spec?.taints ?? [], pod.spec.tolerations ?? [], ['NoExecute']);
  if (taint === undefined) return undefined;
  return rejection(
    'TaintToleration',
    "Predicate TaintToleration failed: node(s) had taints that the pod didn't tolerate",
  );
}
