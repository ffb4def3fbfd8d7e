/** What a Job's policy makes of a failed pod. Pure. Source: upstream `pkg/controller/job/pod_failure_policy.go`. */
import type { JobSpec, PodFailurePolicyRule } from '../../../../proto/api/batch-v1.ts';
import type { ContainerStatus, Pod } from '../../../../proto/api/core-v1.ts';

export interface FailureVerdict {
  action: 'Count' | 'Ignore' | 'FailIndex' | 'FailJob';
  /** Which rule met what; empty where none did, and the failure counts all the same. */
  message: string;
}

const COUNTED: FailureVerdict = { action: 'Count', message: '' };

/** The first rule that is met decides. */
export function judgeFailure({ podFailurePolicy }: JobSpec, pod: Pod): FailureVerdict {
  for (const [i, rule] of (podFailurePolicy?.rules ?? []).entries()) {
    const met = meets(rule, pod);
    if (met === undefined) continue;
    const message = `${met} matching ${rule.action} rule at index ${i}`;
    return { action: rule.action as FailureVerdict['action'], message };
  }
  return COUNTED;
}

function meets({ onExitCodes, onPodConditions }: PodFailurePolicyRule, { metadata, status }: Pod): string | undefined {
  const pod = `${metadata.namespace}/${metadata.name}`;
  if (onExitCodes !== undefined) {
    const { containerName, operator, values } = onExitCodes;
    const all: ContainerStatus[] = [...(status?.containerStatuses ?? []), ...(status?.initContainerStatuses ?? [])];
    for (const { name, state } of all) {
      const code = state?.terminated?.exitCode;
      if (code === undefined || code === 0 || (containerName !== undefined && containerName !== name)) continue;
      if (values.includes(code) === (operator === 'In'))
        return `Container ${name} for pod ${pod} failed with exit code ${code}`;
    }
    return undefined;
  }
  const met = status?.conditions?.find(({ type, status: value }) =>
    onPodConditions?.some(pattern => pattern.type === type && (pattern.status ?? 'True') === value),
  );
  return met === undefined ? undefined : `Pod ${pod} has condition ${met.type}`;
}
