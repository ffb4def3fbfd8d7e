/** What the registry must know of pods. Source: Kubernetes `pkg/registry/core/pod`, 1.36. */
import type { FieldError } from '../../../../machinery/meta/field-error.ts';
import type { Pod, PodStatus } from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { kindInfo } from '../kind-info.ts';
import { defaultPodOnly, defaultPodSpec } from '../../../../machinery/pods/default-pod-spec.ts';
import { mergeLabelKeys } from './merge-label-keys.ts';
import { podColumns } from './pod-columns.ts';
import { podResize } from './pod-resize.ts';
import { podEphemeralContainers, podStatus } from './pod-subresources.ts';
import { qosClassOf } from '../../../../machinery/meta/pod-resources.ts';
import { checkPod, validateNewPod } from '../../../../machinery/pods/validate-pod.ts';
import { validatePodUpdate } from './validate-pod-update.ts';

export const podStrategy: Strategy<Pod> = {
  info: kindInfo('', 'Pod'),
  tracksGeneration: true,
  columns: podColumns,
  status: podStatus,
  subresources: { ephemeralcontainers: podEphemeralContainers, resize: podResize },
  default(pod) {
    pod.spec ??= { containers: [] };
    defaultPodSpec(pod.spec);
    defaultPodOnly(pod.spec);
    settleAddresses(pod.status);
  },
  prepareForCreate(pod) {
    mergeLabelKeys(pod);
    pod.status = { phase: 'Pending', qosClass: qosClassOf(pod) };
    if ((pod.spec.schedulingGates ?? []).length === 0) return;
    pod.status.conditions = [
      {
        type: 'PodScheduled',
        status: 'False',
        reason: 'SchedulingGated',
        message: 'Scheduling is blocked due to non-empty scheduling gates',
      },
    ];
  },
  prepareForUpdate(pod, older) {
    pod.status = older.status;
  },
  validate(pod) {
    const errors: FieldError[] = [];
    checkPod(errors, pod);
    return errors;
  },
  validateCreate: validateNewPod,
  validateUpdate: validatePodUpdate,
  selectableFields: pod => ({
    'spec.nodeName': pod.spec.nodeName ?? '',
    'spec.restartPolicy': pod.spec.restartPolicy ?? '',
    'spec.schedulerName': pod.spec.schedulerName ?? '',
    'spec.serviceAccountName': pod.spec.serviceAccountName ?? '',
    'spec.hostNetwork': pod.spec.hostNetwork === true ? 'true' : 'false',
    'status.phase': pod.status?.phase ?? '',
    'status.podIP': pod.status?.podIPs?.[0]?.ip ?? pod.status?.podIP ?? '',
    'status.nominatedNodeName': pod.status?.nominatedNodeName ?? '',
  }),
  gracefulDelete(pod, requested) {
    const unscheduled = (pod.spec.nodeName ?? '') === '';
    const ended = pod.status?.phase === 'Failed' || pod.status?.phase === 'Succeeded';
    if (unscheduled || ended) return 0;
    const seconds = requested ?? pod.spec.terminationGracePeriodSeconds ?? 30;
    return seconds < 0 ? 1 : seconds;
  },
  allowUnconditionalUpdate: true,
};

/** Of the old and the new form of the addresses the old one decides where they differ, as in upstream's conversion. */
function settleAddresses(status: PodStatus | undefined): void {
  if (status === undefined) return;
  const { podIP = '' } = status;
  const first = status.podIPs?.[0]?.ip ?? '';
  if (podIP !== '') {
    if (first !== podIP) status.podIPs = [{ ip: podIP }];
  } else if (first !== '') status.podIP = first;
}
