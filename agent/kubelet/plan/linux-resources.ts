/**
 * Requests and limits as the kernel takes them.
 * Source: kubernetes 1.36 `pkg/kubelet/cm/helpers_linux.go`, `pkg/kubelet/qos/policy.go`.
 */
import type { Container, Pod, ResourceList } from '../../../proto/api/core-v1.ts';
import type { LinuxContainerResources } from '../../../proto/cri/runtime.gen.ts';
import { priorityOf } from '../../../machinery/meta/pod-priority.ts';
import {
  parseAmounts,
  podLimits,
  podRequests,
  qosClassOf,
  type Amounts,
} from '../../../machinery/meta/pod-resources.ts';
import { CRITICAL_PRIORITY } from './critical-pod.ts';
import { isSidecar } from './pod-spec.ts';

export const CPU_PERIOD_US = 100_000;
const MIN_SHARES = 2;
const MAX_SHARES = 262_144;
const MIN_QUOTA_US = 1_000;

/** cgroup v1's cpu.shares for a request. */
export function cpuShares(milliCpu: number): number {
  if (milliCpu === 0) return MIN_SHARES;
  return Math.min(MAX_SHARES, Math.max(MIN_SHARES, Math.floor((milliCpu * 1024) / 1000)));
}

/** Microseconds a period; 0 for no limit. */
export function cpuQuotaUs(milliCpu: number): number {
  if (milliCpu === 0) return 0;
  return Math.max(MIN_QUOTA_US, Math.floor((milliCpu * CPU_PERIOD_US) / 1000));
}

const OOM_GUARANTEED = -997;
const OOM_BEST_EFFORT = 1000;

/** Who dies first when memory is short: the class, then how little of the node the container asked for. */
export function oomScoreAdj(pod: Pod, container: Container, nodeMemoryBytes: number): number {
  if (priorityOf(pod) >= CRITICAL_PRIORITY) return OOM_GUARANTEED;
  switch (qosClassOf(pod)) {
    case 'Guaranteed':
      return OOM_GUARANTEED;
    case 'BestEffort':
      return OOM_BEST_EFFORT;
    default: {
      const score = 1000 - Math.floor((1000 * memoryShare(pod, container)) / Math.max(1, nodeMemoryBytes));
      return Math.min(OOM_BEST_EFFORT - 1, Math.max(1000 + OOM_GUARANTEED, score));
    }
  }
}

/** The memory that counts for a container: what it asks for, and its part of what the pod as a whole asks for beyond that. */
function memoryShare(pod: Pod, container: Container): number {
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? []).filter(isSidecar)];
  const of = (one: Container): number => amount(requestsWithDefaults(one), 'memory');
  const whole = parseAmounts(pod.spec.resources?.requests).get('memory')?.value();
  const rest = whole === undefined ? 0 : Math.max(0, whole - containers.reduce((sum, one) => sum + of(one), 0));
  // A sidecar is not to die before those that it serves.
  const least = isSidecar(container) ? Math.min(...pod.spec.containers.map(of)) : 0;
  return Math.max(of(container), least) + Math.floor(rest / containers.length);
}

function requestsWithDefaults(container: Container): Amounts {
  return parseAmounts({ ...container.resources?.limits, ...container.resources?.requests });
}

function amount(amounts: Amounts, name: string): number {
  return amounts.get(name)?.value() ?? 0;
}

/** One container's share of the machine. */
export function containerResources(pod: Pod, container: Container, nodeMemoryBytes: number): LinuxContainerResources {
  const requests = requestsWithDefaults(container);
  // What only the pod as a whole limits, limits each of its containers.
  const limits = parseAmounts({ ...computeOf(pod.spec.resources?.limits), ...container.resources?.limits });
  const quotaUs = cpuQuotaUs(limits.get('cpu')?.milliValue() ?? 0);
  const memoryBytes = amount(limits, 'memory');
  return {
    cpuShares: BigInt(cpuShares(requests.get('cpu')?.milliValue() ?? 0)),
    cpuPeriod: BigInt(CPU_PERIOD_US),
    cpuQuota: BigInt(quotaUs),
    memoryLimitInBytes: BigInt(memoryBytes),
    oomScoreAdj: BigInt(oomScoreAdj(pod, container, nodeMemoryBytes)),
    hugepageLimits: hugepageLimits(limits),
  };
}

function computeOf({ cpu, memory }: ResourceList = {}): ResourceList {
  return { ...(cpu === undefined ? {} : { cpu }), ...(memory === undefined ? {} : { memory }) };
}

function hugepageLimits(limits: Amounts): { pageSize: string; limit: bigint }[] {
  return [...limits]
    .filter(([name]) => name.startsWith('hugepages-'))
    .map(([name, quantity]) => ({ pageSize: hugepageSize(name), limit: BigInt(quantity.value()) }));
}

/** `hugepages-2Mi` -> `2MB`, as the kernel names the files. */
function hugepageSize(name: string): string {
  return name.slice('hugepages-'.length).replace(/i$/, 'B');
}

/** What a pod may have of huge pages, in bytes by page size (`2MB`): nothing of those that it did not ask for. */
export function podHugepages(pod: Pod, sizes: readonly string[]): Record<string, number> {
  const asked = new Map(hugepageLimits(podLimits(pod, 'any')).map(({ pageSize, limit }) => [pageSize, Number(limit)]));
  return Object.fromEntries(sizes.map(size => [size, asked.get(size) ?? 0]));
}

/** What the pod's own cgroup is limited to. 0: no limit. */
export interface PodCgroupResources {
  readonly cpuShares: number;
  readonly cpuQuotaUs: number;
  readonly cpuPeriodUs: number;
  readonly memoryLimitBytes: number;
}

/** Limits hold for the pod as a whole only where every container has one. */
export function podCgroupResources(pod: Pod): PodCgroupResources {
  const requests = podRequests(pod);
  const limits = podLimits(pod);
  const bestEffort = qosClassOf(pod) === 'BestEffort';
  return {
    cpuShares: bestEffort ? MIN_SHARES : cpuShares(requests.get('cpu')?.milliValue() ?? 0),
    cpuQuotaUs: cpuQuotaUs(limits.get('cpu')?.milliValue() ?? 0),
    cpuPeriodUs: CPU_PERIOD_US,
    memoryLimitBytes: amount(limits, 'memory'),
  };
}
