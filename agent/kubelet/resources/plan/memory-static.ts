/**
 * The static memory policy: memory and huge pages of Guaranteed pods are counted on the NUMA nodes that their containers are bound to.
 *
 * - A node serves containers that fit on it alone, or a group of nodes that always go together; never both.
 * - What each node has left follows from the blocks alone: nothing is kept twice.
 *
 * Source: kubernetes.io/docs, "Control Memory Management Policies on a Node"; `pkg/kubelet/cm/memorymanager/policy_static.go` 1.36.
 */
import type { Container, Pod } from '../../../../proto/api/core-v1.ts';
import type { NumaNode } from '../../../../machinery/meta/machine-topology.ts';
import { uidOf } from '../../plan/pod-spec.ts';
import { NotEnoughError } from './admission-failure.ts';
import { combinations, countOf, isNarrower, maskOf, nodesOf, type NumaMask } from './numa-mask.ts';
import { classForGiving, givenContainers, passingContainers, peakOf, requestOf } from './pod-parts.ts';
import type { TopologyHint, TopologyHints } from './topology-policy.ts';

export interface MemoryPolicy {
  readonly nodes: readonly NumaNode[];
  /** Bytes kept from pods by node and resource name. */
  readonly reserved: ReadonlyMap<number, ReadonlyMap<string, number>>;
}

/** Bytes of `memory` or `hugepages-...` that lie on a group of nodes. */
export interface MemoryBlock {
  readonly nodes: NumaMask;
  readonly resource: string;
  /** Less than was asked for where another container of the pod, after this one, uses the same bytes. */
  readonly bytes: number;
}

/** By pod UID and container name. */
export type MemoryState = ReadonlyMap<string, ReadonlyMap<string, readonly MemoryBlock[]>>;

/** One resource on one node, in bytes. */
export interface NodeMemory {
  readonly total: number;
  readonly reservedForSystem: number;
  readonly allocatable: number;
  readonly free: number;
}

/** What a node holds now. */
export interface NodeMemoryState {
  /** With which nodes it goes together; itself alone. */
  readonly group: NumaMask;
  readonly assignments: number;
  readonly byResource: ReadonlyMap<string, NodeMemory>;
}

/** The nodes as the blocks leave them, by id. */
export function memoryOfNodes({ nodes, reserved }: MemoryPolicy, state: MemoryState): Map<number, NodeMemoryState> {
  const blocks = [...state.values()].flatMap(containers => [...containers.values()].flat());
  const result = new Map<number, NodeMemoryState>();
  const taken = new Map<string, number>();
  const resources = new Set(nodes.flatMap(node => ['memory', ...node.hugePages.keys()]));
  for (const resource of resources) {
    const byGroup = new Map<NumaMask, number>();
    for (const block of blocks)
      if (block.resource === resource) byGroup.set(block.nodes, (byGroup.get(block.nodes) ?? 0) + block.bytes);
    for (const [group, bytes] of byGroup) {
      let rest = bytes;
      // Node after node, as the kernel is likely to; which of them is of no consequence, as they only go together.
      for (const id of nodesOf(group)) {
        const share = Math.min(
          rest,
          allocatableOf(
            nodes.find(node => node.id === id),
            resource,
            reserved,
          ),
        );
        taken.set(`${id} ${resource}`, share);
        rest -= share;
      }
    }
  }
  for (const node of nodes) {
    const own = blocks.filter(block => nodesOf(block.nodes).includes(node.id));
    const byResource = new Map<string, NodeMemory>();
    for (const resource of ['memory', ...node.hugePages.keys()]) {
      const total = totalOf(node, resource);
      const allocatable = allocatableOf(node, resource, reserved);
      const free = allocatable - (taken.get(`${node.id} ${resource}`) ?? 0);
      byResource.set(resource, { total, reservedForSystem: total - allocatable, allocatable, free });
    }
    result.set(node.id, { group: own[0]?.nodes ?? maskOf([node.id]), assignments: own.length, byResource });
  }
  return result;
}

/**
 * Gives the container its memory; the same state if it has it or gets none of its own.
 * @param hint where everything else of the container lies; undefined: anywhere
 * @throws NotEnoughError
 */
export function assignMemory(
  policy: MemoryPolicy,
  state: MemoryState,
  pod: Pod,
  container: Container,
  hint: NumaMask | undefined,
): MemoryState {
  const uid = uidOf(pod);
  const own = state.get(uid);
  const wanted = memoryRequests(pod, container);
  if (wanted.size === 0 || own?.has(container.name) === true) return state;
  const nodes = nodesFor(policy, state, pod, wanted, hint);
  if (breaksGroups(memoryOfNodes(policy, state), nodes))
    throw new NotEnoughError('[memorymanager] preferred hint violates NUMA node allocation');
  const containers = new Map(own);
  for (const [resource, bytes] of wanted) shrinkPassed(containers, pod, { nodes, resource, bytes });
  containers.set(
    container.name,
    [...wanted].map(([resource, bytes]) => ({ nodes, resource, bytes })),
  );
  return new Map(state).set(uid, containers);
}

export function releaseMemory(state: MemoryState, uid: string): MemoryState {
  if (!state.has(uid)) return state;
  const rest = new Map(state);
  rest.delete(uid);
  return rest;
}

/** @param container undefined: of the pod as a whole */
export function memoryHints(policy: MemoryPolicy, state: MemoryState, pod: Pod, container?: Container): TopologyHints {
  const wanted = container === undefined ? memoryPeak(pod) : memoryRequests(pod, container);
  if (wanted.size === 0) return new Map();
  const own = state.get(uidOf(pod));
  const given = container === undefined ? own && [...own.values()].flat() : own?.get(container.name);
  const first = given?.[0];
  const hints = first === undefined ? possible(policy, state, pod, wanted) : [{ nodes: first.nodes, preferred: true }];
  return new Map([...wanted.keys()].map(resource => [resource, hints]));
}

/** The nodes whose memory the container uses; undefined for one that is bound to none. */
export function memoryNodesOf(state: MemoryState, uid: string, container: string): NumaMask | undefined {
  return state.get(uid)?.get(container)?.[0]?.nodes;
}

/** Bytes of memory and huge pages that the container has to itself. Empty for those who share. */
function memoryRequests(pod: Pod, container: Container): Map<string, number> {
  if (classForGiving(pod) !== 'Guaranteed') return new Map();
  const names = Object.keys({ ...container.resources?.limits, ...container.resources?.requests });
  const wanted = names
    .filter(name => name === 'memory' || name.startsWith('hugepages-'))
    .map(name => [name, requestOf(container, name)?.value() ?? 0] as const);
  return new Map(wanted.filter(([, bytes]) => bytes > 0).sort(([a], [b]) => (a < b ? 1 : -1)));
}

function memoryPeak(pod: Pod): Map<string, number> {
  const names = new Set(givenContainers(pod).flatMap(container => [...memoryRequests(pod, container).keys()]));
  return new Map([...names].map(name => [name, peakOf(pod, one => memoryRequests(pod, one).get(name) ?? 0)]));
}

function nodesFor(
  policy: MemoryPolicy,
  state: MemoryState,
  pod: Pod,
  wanted: ReadonlyMap<string, number>,
  hint: NumaMask | undefined,
): NumaMask {
  const hints = possible(policy, state, pod, wanted);
  if (hint !== undefined && hints.some(({ nodes }) => nodes === hint)) return hint;
  const around = hints.filter(({ nodes = 0 }) => hint === undefined || (nodes & hint) === hint);
  const best = around.reduce<TopologyHint | undefined>(
    (a, b) => (a === undefined || isBetter(b, a) ? b : a),
    undefined,
  );
  if (best?.nodes === undefined) {
    const message = 'failed to get the default NUMA affinity, no NUMA nodes with enough memory is available';
    throw new NotEnoughError(`[memorymanager] ${message}`);
  }
  return best.nodes;
}

function isBetter(a: TopologyHint, than: TopologyHint): boolean {
  if (a.preferred !== than.preferred) return a.preferred;
  return isNarrower(a.nodes ?? 0, than.nodes ?? 0);
}

/** Every group of nodes that can take all of it. */
function possible(
  { nodes, reserved }: MemoryPolicy,
  state: MemoryState,
  pod: Pod,
  wanted: ReadonlyMap<string, number>,
): TopologyHint[] {
  const now = memoryOfNodes({ nodes, reserved }, state);
  const sum = (mask: NumaMask, resource: string, of: 'allocatable' | 'free'): number =>
    nodesOf(mask).reduce((total, id) => total + (now.get(id)?.byResource.get(resource)?.[of] ?? 0), 0);
  const masks = combinations(nodes.map(node => node.id));
  const large = masks.filter(mask => [...wanted].every(([name, bytes]) => sum(mask, name, 'allocatable') >= bytes));
  const fewest = Math.min(nodes.length, ...large.map(countOf));
  const own = state.get(uidOf(pod));
  return large
    .filter(mask => !breaksGroups(now, mask))
    .filter(mask =>
      [...wanted].every(([name, bytes]) => sum(mask, name, 'free') + passedOn(own, pod, mask, name) >= bytes),
    )
    .map(mask => ({ nodes: mask, preferred: countOf(mask) === fewest }));
}

/** A node in use for itself joins no group, and one of a group no other. */
function breaksGroups(now: ReadonlyMap<number, NodeMemoryState>, nodes: NumaMask): boolean {
  return nodesOf(nodes).some(id => {
    const node = now.get(id);
    return node !== undefined && node.assignments > 0 && node.group !== nodes;
  });
}

/** Bytes of ended init containers on these nodes, which the next container may use. */
function passedOn(
  own: ReadonlyMap<string, readonly MemoryBlock[]> | undefined,
  pod: Pod,
  nodes: NumaMask,
  resource: string,
): number {
  const passing = passingContainers(pod);
  return [...(own ?? [])]
    .filter(([name]) => passing.has(name))
    .flatMap(([, blocks]) => blocks)
    .filter(block => block.nodes === nodes && block.resource === resource)
    .reduce((sum, block) => sum + block.bytes, 0);
}

/** What the new block takes over from init containers is no longer counted with them. */
function shrinkPassed(containers: Map<string, readonly MemoryBlock[]>, pod: Pod, block: MemoryBlock): void {
  let over = block.bytes;
  for (const name of passingContainers(pod)) {
    const blocks = containers.get(name);
    if (blocks === undefined) continue;
    const shrunk = blocks.map(older => {
      if (older.nodes !== block.nodes || older.resource !== block.resource) return older;
      const bytes = Math.max(0, older.bytes - over);
      over -= older.bytes - bytes;
      return { ...older, bytes };
    });
    containers.set(name, shrunk);
  }
}

function totalOf(node: NumaNode, resource: string): number {
  if (resource !== 'memory') return node.hugePages.get(resource) ?? 0;
  // Huge pages are taken out of the node's memory.
  return node.memoryBytes;
}

function allocatableOf(node: NumaNode | undefined, resource: string, reserved: MemoryPolicy['reserved']): number {
  if (node === undefined) return 0;
  const huge = resource === 'memory' ? [...node.hugePages.values()].reduce((sum, bytes) => sum + bytes, 0) : 0;
  return Math.max(0, totalOf(node, resource) - huge - (reserved.get(node.id)?.get(resource) ?? 0));
}
