/** `cpu_manager_state`. Source: `pkg/kubelet/cm/cpumanager/state/checkpoint.go` 1.36. */
import { formatCpuSet, parseCpuSet, type CpuSet } from '../../../../machinery/meta/cpu-set.ts';
import { errorText } from '../../../../machinery/meta/error-text.ts';
import { CheckpointError, isRecord, openCheckpoint, sealCheckpoint } from './checkpoint.ts';
import type { CpuState } from './cpu-static.ts';

const CHECKSUM = 'checksum';

export function writeCpuCheckpoint(policyName: string, state: CpuState): string {
  const entries = Object.fromEntries(
    [...state.assigned].map(([uid, containers]) => [
      uid,
      Object.fromEntries([...containers].map(([name, cpus]) => [name, formatCpuSet(cpus)])),
    ]),
  );
  const body = {
    policyName,
    defaultCpuSet: formatCpuSet(state.shared),
    ...(state.assigned.size > 0 ? { entries } : {}),
  };
  return sealCheckpoint(body, CHECKSUM);
}

/** @throws CheckpointError */
export function readCpuCheckpoint(text: string): { readonly policyName: string; readonly state: CpuState } {
  const { policyName, defaultCpuSet, entries = {} } = openCheckpoint(text, CHECKSUM);
  if (typeof policyName !== 'string' || typeof defaultCpuSet !== 'string' || !isRecord(entries))
    throw new CheckpointError('it is not of the form of a CPU manager state');
  const assigned = new Map<string, Map<string, CpuSet>>();
  for (const [uid, containers] of Object.entries(entries)) {
    if (!isRecord(containers)) throw new CheckpointError(`the entry of pod ${uid} is no object`);
    assigned.set(uid, new Map(Object.entries(containers).map(([name, cpus]) => [name, parsed(cpus)])));
  }
  return { policyName, state: { shared: parsed(defaultCpuSet), assigned } };
}

function parsed(text: unknown): CpuSet {
  try {
    return parseCpuSet(String(text));
  } catch (error) {
    throw new CheckpointError(errorText(error));
  }
}
