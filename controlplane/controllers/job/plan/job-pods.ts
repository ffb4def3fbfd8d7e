/**
 * What the pods of a Job are to it, and how they are made. Pure. Source: upstream `pkg/controller/job`.
 */
import type { Job, PodFailurePolicyRule } from '../../../../proto/api/batch-v1.ts';
import type { ContainerStatus, Pod } from '../../../../proto/api/core-v1.ts';
import { isDeleting } from '../../../../machinery/meta/object.ts';
import { parseTime } from '../../../../machinery/meta/time.ts';
import { podFromTemplate } from '../../runtime/plan/pod-from-template.ts';

/** Keeps a pod that ended until the job has counted it. */
export const TRACKING_FINALIZER = 'batch.kubernetes.io/job-tracking';
const INDEX = 'batch.kubernetes.io/job-completion-index';
const FAILURE_COUNT = 'batch.kubernetes.io/job-index-failure-count';
const JOB = { group: 'batch', version: 'v1', kind: 'Job' };

export function isIndexed({ spec }: Job): boolean {
  return spec.completionMode === 'Indexed';
}

/** Pods that are being ended are replaced once they have ended, not before. */
export function replacesEndedOnly({ spec }: Job): boolean {
  return spec.podReplacementPolicy === 'Failed' || spec.podFailurePolicy !== undefined;
}

export function isTracked(pod: Pod): boolean {
  return pod.metadata.finalizers?.includes(TRACKING_FINALIZER) === true;
}

export function hasSucceeded(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded';
}

export function hasFailed(job: Job, pod: Pod): boolean {
  if (pod.status?.phase === 'Failed') return true;
  return !replacesEndedOnly(job) && isDeleting(pod) && !hasSucceeded(pod);
}

/** The index that the pod works on, -1 if it has none. */
export function indexOf(pod: Pod): number {
  const text = pod.metadata.annotations?.[INDEX] ?? '';
  return /^\d+$/.test(text) ? Number(text) : -1;
}

/** How many pods of the same index failed before this one. */
export function failuresBefore(pod: Pod): number {
  return Number(pod.metadata.annotations?.[FAILURE_COUNT] ?? 0) || 0;
}

/** When the last of its containers ended. */
export function endedMs(pod: Pod): number | undefined {
  const ends = containerStatuses(pod).map(status => parseTime(status.state?.terminated?.finishedAt ?? ''));
  const known = ends.filter(ms => ms !== undefined);
  return known.length === 0 ? parseTime(pod.metadata.deletionTimestamp ?? '') : Math.max(...known);
}

function containerStatuses({ status }: Pod): ContainerStatus[] {
  return [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
}

export function restartsOf(pod: Pod): number {
  return containerStatuses(pod).reduce((sum, status) => sum + (status.restartCount ?? 0), 0);
}

/** @param index undefined for a job without indexes @param failures of the same index before */
export function jobPod(job: Job, index: number | undefined, failures: number): Pod {
  const pod = podFromTemplate(job.spec.template, job, JOB);
  const metadata = { ...pod.metadata, finalizers: [...(pod.metadata.finalizers ?? []), TRACKING_FINALIZER] };
  if (index === undefined) return { ...pod, metadata };
  const perIndex = job.spec.backoffLimitPerIndex === undefined ? {} : { [FAILURE_COUNT]: String(failures) };
  const env = { name: 'JOB_COMPLETION_INDEX', valueFrom: { fieldRef: { fieldPath: `metadata.labels['${INDEX}']` } } };
  const withIndex = <C extends { name: string; env?: { name: string }[] | undefined }>(container: C): C =>
    container.env?.some(each => each.name === env.name) === true
      ? container
      : { ...container, env: [...(container.env ?? []), env] };
  return {
    ...pod,
    metadata: {
      ...metadata,
      generateName: `${job.metadata.name}-${index}-`,
      labels: { ...metadata.labels, [INDEX]: String(index) },
      annotations: { ...metadata.annotations, [INDEX]: String(index), ...perIndex },
    },
    spec: {
      ...pod.spec,
      hostname: `${job.metadata.name}-${index}`,
      containers: pod.spec.containers.map(withIndex),
      ...(pod.spec.initContainers === undefined ? {} : { initContainers: pod.spec.initContainers.map(withIndex) }),
    },
  };
}

export interface FailureVerdict {
  action: 'Count' | 'Ignore' | 'FailIndex' | 'FailJob';
  /** For FailJob: which rule met what. */
  message: string;
}

/** What the job's policy makes of a failed pod. The first rule that meets it decides. */
export function judgeFailure({ spec }: Job, pod: Pod): FailureVerdict {
  const count: FailureVerdict = { action: 'Count', message: '' };
  if (pod.status?.phase !== 'Failed') return count;
  for (const [i, rule] of (spec.podFailurePolicy?.rules ?? []).entries()) {
    const met = meets(rule, pod);
    if (met === undefined) continue;
    const message = `${met} matching ${rule.action} rule at index ${i}`;
    return { action: rule.action as FailureVerdict['action'], message };
  }
  return count;
}

function meets(rule: PodFailurePolicyRule, pod: Pod): string | undefined {
  const { namespace, name } = pod.metadata;
  if (rule.onExitCodes !== undefined) {
    const { containerName, operator, values } = rule.onExitCodes;
    for (const status of containerStatuses(pod)) {
      const code = status.state?.terminated?.exitCode;
      if (code === undefined || code === 0 || (containerName !== undefined && containerName !== status.name)) continue;
      if (values.includes(code) === (operator === 'In'))
        return `Container ${status.name} for pod ${namespace}/${name} failed with exit code ${code}`;
    }
    return undefined;
  }
  for (const pattern of rule.onPodConditions ?? []) {
    const found = pod.status?.conditions?.some(
      condition => condition.type === pattern.type && condition.status === (pattern.status ?? 'True'),
    );
    if (found === true) return `Pod ${namespace}/${name} has condition ${pattern.type}`;
  }
  return undefined;
}
