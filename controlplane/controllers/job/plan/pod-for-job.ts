/** The pods that a Job makes. Pure. Source: upstream `pkg/controller/job`; kubernetes.io/docs, "Indexed Job". */
import type { Job } from '../../../../proto/api/batch-v1.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { podFromTemplate } from '../../runtime/plan/pod-from-template.ts';
import { FAILURE_COUNT, IGNORED_FAILURE_COUNT, INDEX, TRACKING_FINALIZER } from './job-pod.ts';

const JOB = { group: 'batch', version: 'v1', kind: 'Job' };
/** The server adds five characters, and what does not fit it cuts off. */
const LONGEST_PREFIX = 58;

/** A pod to be made. */
export interface NewPod {
  /** Undefined for a job without indexes. */
  index: number | undefined;
  /** How often pods of its index failed before; undefined where the job does not count by index. */
  failures?: { counted: number; ignored: number } | undefined;
}

export function podForJob(job: Job, { index, failures }: NewPod): Pod {
  const pod = podFromTemplate(job.spec.template, job, JOB);
  const finalizers = (pod.metadata.finalizers ?? []).filter(name => name !== TRACKING_FINALIZER);
  const metadata = { ...pod.metadata, finalizers: [...finalizers, TRACKING_FINALIZER] };
  if (index === undefined) return { ...pod, metadata };
  const env = { name: 'JOB_COMPLETION_INDEX', valueFrom: { fieldRef: { fieldPath: `metadata.labels['${INDEX}']` } } };
  const withIndex = <C extends { name: string; env?: { name: string }[] | undefined }>(container: C): C =>
    container.env?.some(each => each.name === env.name) === true
      ? container
      : { ...container, env: [...(container.env ?? []), env] };
  const counts = {
    ...(failures === undefined ? {} : { [FAILURE_COUNT]: String(failures.counted) }),
    ...((failures?.ignored ?? 0) > 0 ? { [IGNORED_FAILURE_COUNT]: String(failures?.ignored) } : {}),
  };
  const suffix = `-${index}-`;
  return {
    ...pod,
    metadata: {
      ...metadata,
      generateName: (job.metadata.name ?? '').slice(0, LONGEST_PREFIX - suffix.length) + suffix,
      labels: { ...metadata.labels, [INDEX]: String(index) },
      annotations: { ...metadata.annotations, [INDEX]: String(index), ...counts },
    },
    spec: {
      ...pod.spec,
      hostname: `${job.metadata.name}-${index}`,
      containers: pod.spec.containers.map(withIndex),
      ...(pod.spec.initContainers === undefined ? {} : { initContainers: pod.spec.initContainers.map(withIndex) }),
    },
  };
}
