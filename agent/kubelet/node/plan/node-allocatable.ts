/**
 * What of a node is left for pods, and the limits that hold pods and the system's own groups to it. Pure.
 * Source: kubernetes 1.36 `pkg/kubelet/cm/node_container_manager_linux.go`; kubernetes.io/docs, "Reserve Compute Resources for System Daemons".
 */
import type { ResourceList } from '../../../../proto/api/core-v1.ts';
import { parseCpuSet } from '../../../../machinery/meta/cpu-set.ts';
import { addAmounts, parseAmounts, type Amounts } from '../../../../machinery/meta/pod-resources.ts';
import { Quantity } from '../../../../machinery/meta/quantity.ts';
import type { KubeletConfiguration } from '../../config/plan/kubelet-configuration.ts';
import { countOf, parseThresholds } from '../../eviction/plan/thresholds.ts';

/** What hard thresholds keep free, by the resource that pods ask for. */
const KEPT_FREE = { 'memory.available': 'memory', 'nodefs.available': 'ephemeral-storage' } as const;

/** For `status.allocatable`: capacity less what is reserved, what eviction keeps free, and, of memory, huge pages. */
export function nodeAllocatable(capacity: ResourceList, configuration: KubeletConfiguration): ResourceList {
  const whole = parseAmounts(capacity);
  const kept = addAmounts(reservedAmounts(configuration), keptFree(whole, configuration));
  const left = lessHugepages(subtract(whole, kept), whole);
  return Object.fromEntries([...left].map(([name, quantity]) => [name, quantity.toString()]));
}

/** Why a node of that capacity cannot keep what the settings reserve; undefined: it can. */
export function reservationProblem(capacity: ResourceList, configuration: KubeletConfiguration): string | undefined {
  const whole = parseAmounts(capacity);
  const kept = addAmounts(reservedAmounts(configuration), keptFree(whole, configuration));
  const over = [...whole].flatMap(([name, quantity]) => {
    const reserved = kept.get(name);
    if (reserved === undefined || reserved.compare(quantity) <= 0) return [];
    return [`${name}: ${reserved.toString()} of ${quantity.toString()}`];
  });
  if (over.length === 0) return undefined;
  return `kubeReserved, systemReserved and evictionHard together keep more than the node has (${over.join(', ')}); reserve less`;
}

/** What all pods together may use: memory, processors, process numbers. Eviction is to act before this limit does. */
export function podsShare(capacity: ResourceList, configuration: KubeletConfiguration): Amounts {
  const whole = parseAmounts(capacity);
  if (!configuration.enforceNodeAllocatable.includes('pods')) return whole;
  return lessHugepages(subtract(whole, reservedAmounts(configuration)), whole);
}

/** `kubeReserved` and `systemReserved` together; processors that are reserved by number replace what both say of them. */
function reservedAmounts({ kubeReserved, systemReserved, reservedSystemCPUs }: KubeletConfiguration): Amounts {
  const both = new Map(addAmounts(parseAmounts(kubeReserved), parseAmounts(systemReserved)));
  const byNumber = parseCpuSet(reservedSystemCPUs).length;
  if (byNumber > 0) both.set('cpu', Quantity.of(byNumber));
  return both;
}

function keptFree(capacity: Amounts, configuration: KubeletConfiguration): Amounts {
  const kept = new Map<string, Quantity>();
  for (const { signal, amount, gracePeriodMs } of parseThresholds(configuration)) {
    const name = KEPT_FREE[signal as keyof typeof KEPT_FREE];
    const whole = capacity.get(name);
    if (gracePeriodMs > 0 || whole === undefined) continue;
    kept.set(name, Quantity.of(countOf(amount, whole.value()), 'BinarySI'));
  }
  return kept;
}

function subtract(whole: Amounts, kept: Amounts): Map<string, Quantity> {
  const left = [...whole].map(([name, quantity]): [string, Quantity] => {
    const rest = quantity.sub(kept.get(name) ?? Quantity.zero);
    return [name, rest.sign() < 0 ? Quantity.zero : rest];
  });
  return new Map(left);
}

function lessHugepages(left: Map<string, Quantity>, whole: Amounts): Map<string, Quantity> {
  const pages = [...whole].filter(([name]) => name.startsWith('hugepages-')).map(([, quantity]) => quantity);
  const memory = left.get('memory');
  if (memory === undefined) return left;
  const rest = pages.reduce((sum, quantity) => sum.sub(quantity), memory);
  return left.set('memory', rest.sign() < 0 ? Quantity.zero : rest);
}
