/** `memory_manager_state`. Source: `pkg/kubelet/cm/memorymanager/state/checkpoint.go` 1.36. */
import { CheckpointError, isRecord, openCheckpoint, sealCheckpoint } from './checkpoint.ts';
import { memoryOfNodes, type MemoryBlock, type MemoryPolicy, type MemoryState } from './memory-static.ts';
import { maskOf, nodesOf } from './numa-mask.ts';

const CHECKSUM = 'checksum';

/** Of the machine without any pod on it: another machine, or other reservations, make what is written of no use. */
function machineOf(policy: MemoryPolicy, state: MemoryState): Record<string, unknown> {
  const nodes = [...memoryOfNodes(policy, state)].map(([id, { group, assignments, byResource }]) => {
    const memoryMap = Object.fromEntries(
      [...byResource].map(([resource, { total, reservedForSystem, allocatable, free }]) => [
        resource,
        { total, systemReserved: reservedForSystem, allocatable, reserved: allocatable - free, free },
      ]),
    );
    return [String(id), { numberOfAssignments: assignments, memoryMap, cells: nodesOf(group) }] as const;
  });
  return Object.fromEntries(nodes);
}

export function writeMemoryCheckpoint(policyName: string, policy: MemoryPolicy, state: MemoryState): string {
  const entries = Object.fromEntries(
    [...state].map(([uid, containers]) => [
      uid,
      Object.fromEntries(
        [...containers].map(([name, blocks]) => [
          name,
          blocks.map(block => ({ numaAffinity: nodesOf(block.nodes), type: block.resource, size: block.bytes })),
        ]),
      ),
    ]),
  );
  const body = {
    policyName,
    machineState: machineOf(policy, state),
    ...(state.size > 0 ? { entries } : {}),
  };
  return sealCheckpoint(body, CHECKSUM);
}

/**
 * @returns `sameMachine` whether memory and reservations of the machine are what they were
 * @throws CheckpointError
 */
export function readMemoryCheckpoint(
  text: string,
  policy: MemoryPolicy,
): { readonly policyName: string; readonly state: MemoryState; readonly sameMachine: boolean } {
  const { policyName, machineState, entries = {} } = openCheckpoint(text, CHECKSUM);
  if (typeof policyName !== 'string' || !isRecord(machineState) || !isRecord(entries))
    throw new CheckpointError('it is not of the form of a memory manager state');
  const state = new Map<string, Map<string, MemoryBlock[]>>();
  for (const [uid, containers] of Object.entries(entries)) {
    if (!isRecord(containers)) throw new CheckpointError(`the entry of pod ${uid} is no object`);
    state.set(uid, new Map(Object.entries(containers).map(([name, blocks]) => [name, blocksOf(blocks)])));
  }
  const sameMachine = JSON.stringify(machineState) === JSON.stringify(machineOf(policy, state));
  return { policyName, state, sameMachine };
}

function blocksOf(blocks: unknown): MemoryBlock[] {
  if (!Array.isArray(blocks)) throw new CheckpointError('the memory of a container is no list');
  return blocks.map((block: unknown) => {
    const { numaAffinity, type, size } = isRecord(block) ? block : {};
    if (!Array.isArray(numaAffinity) || typeof type !== 'string' || typeof size !== 'number')
      throw new CheckpointError('a block of memory says no numaAffinity, type or size');
    return { nodes: maskOf(numaAffinity.map(Number)), resource: type, bytes: size };
  });
}
