/**
 * What of a container's resources reaches the kernel, and how the API tells of it.
 * Source: kubernetes 1.36 `kuberuntime_manager.go` (computePodResizeAction), `kubelet_pods.go` (convertToAPIContainerStatuses).
 */
import type { Container, Pod, ResourceList, ResourceRequirements } from '../../../../proto/api/core-v1.ts';
import { parseAmounts } from '../../../../machinery/meta/pod-resources.ts';
import { CPU_PERIOD_US, containerResources } from '../../plan/linux-resources.ts';

/** Annotation of a container: what it was made with. */
export const APPLIED_ANNOTATION = 'k8ts.io/resources';

/** 0: no limit. */
export interface AppliedResources {
  readonly cpuShares: number;
  /** Of a period of 100 ms. */
  readonly cpuQuotaUs: number;
  readonly memoryLimitBytes: number;
  /** No kernel knows of it; it counts for the resize policy and in the status. */
  readonly memoryRequestBytes: number;
}

/** What the runtime says that a container has; undefined where it does not tell. */
export type ActualResources = Partial<Omit<AppliedResources, 'memoryRequestBytes'>>;

export function resourcesToApply(pod: Pod, container: Container): AppliedResources {
  const { cpuShares = 0n, cpuQuota = 0n, memoryLimitInBytes = 0n } = containerResources(pod, container, 1);
  const requests = parseAmounts({ ...container.resources?.limits, ...container.resources?.requests });
  return {
    cpuShares: Number(cpuShares),
    cpuQuotaUs: Number(cpuQuota),
    memoryLimitBytes: Number(memoryLimitInBytes),
    memoryRequestBytes: requests.get('memory')?.value() ?? 0,
  };
}

export function sameApplied(a: AppliedResources, b: AppliedResources): boolean {
  return !changesCpu(a, b) && !changesMemory(a, b);
}

export function changesCpu(a: AppliedResources, b: AppliedResources): boolean {
  return a.cpuShares !== b.cpuShares || a.cpuQuotaUs !== b.cpuQuotaUs;
}

export function changesMemory(a: AppliedResources, b: AppliedResources): boolean {
  return a.memoryLimitBytes !== b.memoryLimitBytes || a.memoryRequestBytes !== b.memoryRequestBytes;
}

/** Whether the container's policy wants it restarted for this change. */
export function resizeRestarts(container: Container, from: AppliedResources, to: AppliedResources): boolean {
  const restartsFor = (resource: string): boolean =>
    (container.resizePolicy ?? []).some(p => p.resourceName === resource && p.restartPolicy === 'RestartContainer');
  return (changesCpu(from, to) && restartsFor('cpu')) || (changesMemory(from, to) && restartsFor('memory'));
}

/** What the annotation of a container says; undefined for one that an older k8ts made. */
export function parseApplied(text: string | undefined): AppliedResources | undefined {
  if (text === undefined) return undefined;
  try {
    const value = JSON.parse(text) as AppliedResources;
    return typeof value.cpuShares === 'number' ? value : undefined;
  } catch {
    return undefined;
  }
}

/**
 * `resources` of a running container's status: what was set aside, but where the container has something else, that.
 * @param pod as allocated
 */
export function resourcesOfStatus(
  pod: Pod,
  container: Container,
  applied: AppliedResources | undefined,
  actual: ActualResources | undefined,
): ResourceRequirements {
  const allocated = container.resources ?? {};
  const wanted = resourcesToApply(pod, container);
  const has = { ...(applied ?? wanted), ...actual };
  const limits = told(allocated.limits, {
    cpu: has.cpuQuotaUs === wanted.cpuQuotaUs ? undefined : milli((has.cpuQuotaUs * 1000) / CPU_PERIOD_US),
    memory: has.memoryLimitBytes === wanted.memoryLimitBytes ? undefined : String(has.memoryLimitBytes),
  });
  const requests = told(allocated.requests, {
    cpu: has.cpuShares === wanted.cpuShares ? undefined : milli((has.cpuShares * 1000) / 1024),
    memory: has.memoryRequestBytes === wanted.memoryRequestBytes ? undefined : String(has.memoryRequestBytes),
  });
  return { ...allocated, ...(limits === undefined ? {} : { limits }), ...(requests === undefined ? {} : { requests }) };
}

function milli(value: number): string {
  return `${Math.ceil(value)}m`;
}

/** Amounts that the container does not have (yet) are not told as 0. */
function told(
  allocated: ResourceList | undefined,
  other: { cpu: string | undefined; memory: string | undefined },
): ResourceList | undefined {
  if (allocated === undefined) return undefined;
  const amounts: ResourceList = { ...allocated };
  for (const name of ['cpu', 'memory'] as const) {
    const value = other[name];
    if (value === undefined || allocated[name] === undefined) continue;
    if (value === '0' || value === '0m') delete amounts[name];
    else amounts[name] = value;
  }
  return amounts;
}
