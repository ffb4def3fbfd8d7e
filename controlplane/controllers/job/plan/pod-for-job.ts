/** The pods that a Job makes. Pure. Source: upstream `pkg/controller/job`; kubernetes.io/docs, "Indexed Job". */
import type { Job } from '../../../../proto/api/batch-v1.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { fixedSuffix } from '../../../../machinery/meta/name-hash.ts';
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

/** Names look drawn, and follow from what a pod is for: a creation that was under way when its process ended is not made a second time. */
export class PodNames {
  private readonly job: Job;
  private readonly isTaken: (name: string) => boolean;
  /** By index, the number to try next. */
  private readonly next = new Map<number | undefined, number>();

  /** @param isTaken whether there is a pod of that name, whosever it is */
  constructor(job: Job, isTaken: (name: string) => boolean) {
    this.job = job;
    this.isTaken = isTaken;
    // What was counted had names of its own, most likely the first ones.
    this.next.set(undefined, (job.status?.succeeded ?? 0) + (job.status?.failed ?? 0));
  }

  draw(index: number | undefined): string {
    const { uid, name = '' } = this.job.metadata;
    const suffix = index === undefined ? '-' : `-${index}-`;
    const beginning = name.slice(0, LONGEST_PREFIX - suffix.length) + suffix;
    for (let number = this.next.get(index) ?? 0; ; number++) {
      const drawn = beginning + fixedSuffix(`${uid} ${index ?? ''} ${number}`);
      this.next.set(index, number + 1);
      if (!this.isTaken(drawn)) return drawn;
    }
  }
}

export function podForJob(job: Job, { index, failures }: NewPod, name: string): Pod {
  const pod = podFromTemplate(job.spec.template, job, JOB);
  const finalizers = (pod.metadata.finalizers ?? []).filter(name => name !== TRACKING_FINALIZER);
  const metadata = { ...pod.metadata, name, finalizers: [...finalizers, TRACKING_FINALIZER] };
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
  return {
    ...pod,
    metadata: {
      ...metadata,
      generateName: `${job.metadata.name}-${index}-`,
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
