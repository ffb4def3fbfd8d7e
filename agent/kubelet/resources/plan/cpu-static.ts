/**
 * The static CPU policy: containers of Guaranteed pods that ask for whole processors have them to themselves, all others share the rest.
 * Source: kubernetes.io/docs, "Control CPU Management Policies on the Node"; `pkg/kubelet/cm/cpumanager/policy_static.go` 1.36.
 */
import type { Container, Pod } from '../../../../proto/api/core-v1.ts';
import {
  common,
  cpuSet,
  EMPTY_CPU_SET,
  formatCpuSet,
  isWithin,
  sameSet,
  unionOf,
  without,
  type CpuSet,
} from '../../../../machinery/meta/cpu-set.ts';
import type { CpuPlace, MachineTopology } from '../../../../machinery/meta/machine-topology.ts';
import { uidOf } from '../../plan/pod-spec.ts';
import { AdmissionFailure } from './admission-failure.ts';
import { chooseCpus } from './cpu-choice.ts';
import { has, type NumaMask } from './numa-mask.ts';
import { classForGiving, passingContainers, peakOf, requestOf } from './pod-parts.ts';
import { hintsFor, type TopologyHints } from './topology-policy.ts';

export interface CpuPolicy {
  readonly machine: MachineTopology;
  /** Never given to one container alone. */
  readonly reserved: CpuSet;
  readonly options: CpuPolicyOptions;
}

export interface CpuPolicyOptions {
  /** `full-pcpus-only`: whole cores or nothing. */
  readonly fullCoresOnly: boolean;
  /** `strict-cpu-reservation`: no pod runs on reserved processors. */
  readonly strictReservation: boolean;
  readonly distributeAcrossNuma: boolean;
  readonly alignByUncoreCache: boolean;
}

/** Who has which processors. */
export interface CpuState {
  /** Of all who have none to themselves. */
  readonly shared: CpuSet;
  /** By pod UID and container name. An init container's may be another's of the same pod too, later. */
  readonly assigned: ReadonlyMap<string, ReadonlyMap<string, CpuSet>>;
}

export function initialCpuState({ machine, reserved, options }: CpuPolicy): CpuState {
  const all = allCpus(machine.cpus);
  return { shared: options.strictReservation ? without(all, reserved) : all, assigned: new Map() };
}

/** How many processors the container gets to itself; 0: it shares. */
export function exclusiveCpus(pod: Pod, container: Container): number {
  if (classForGiving(pod) !== 'Guaranteed') return 0;
  const request = requestOf(container, 'cpu');
  if (request === undefined) return 0;
  const milli = request.milliValue();
  return milli % 1000 === 0 ? milli / 1000 : 0;
}

/**
 * Gives the container its processors; the same state if it has them or shares.
 * @param nodes where to take them from first
 * @throws NotEnoughError, AdmissionFailure
 */
export function assignCpus(
  policy: CpuPolicy,
  state: CpuState,
  pod: Pod,
  container: Container,
  nodes: NumaMask | undefined,
): CpuState {
  const count = exclusiveCpus(pod, container);
  const uid = uidOf(pod);
  const own = state.assigned.get(uid);
  if (count === 0 || own?.has(container.name) === true) return state;
  const again = reusable(pod, own);
  const fresh = assignable(policy, state);
  checkCores(policy, count, unionOf(fresh, again));
  // What the pod holds anyway first: it is held until the pod ends.
  const kept = choose(policy, again, Math.min(count, usable(policy, again).length), undefined);
  const cpus = unionOf(kept, choose(policy, without(fresh, kept), count - kept.length, nodes));
  return {
    shared: without(state.shared, cpus),
    assigned: new Map(state.assigned).set(uid, new Map(own).set(container.name, cpus)),
  };
}

/** Takes back what the pod has. */
export function releaseCpus(state: CpuState, uid: string): CpuState {
  const own = state.assigned.get(uid);
  if (own === undefined) return state;
  const assigned = new Map(state.assigned);
  assigned.delete(uid);
  return { shared: unionOf(state.shared, ...own.values()), assigned };
}

/** @param container undefined: of the pod as a whole */
export function cpuHints(policy: CpuPolicy, state: CpuState, pod: Pod, container?: Container): TopologyHints {
  const count = container === undefined ? peakOf(pod, one => exclusiveCpus(pod, one)) : exclusiveCpus(pod, container);
  if (count === 0) return new Map();
  const own = state.assigned.get(uidOf(pod));
  const given = container === undefined ? own && unionOf(...own.values()) : own?.get(container.name);
  if (given !== undefined && given.length !== count) return new Map([['cpu', []]]);
  const mustHave = given === undefined ? reusable(pod, own) : EMPTY_CPU_SET;
  const free = given ?? unionOf(assignable(policy, state), mustHave);
  const within = (mask: NumaMask, cpus: CpuSet): CpuSet => {
    const inside = cpuSet(policy.machine.cpus.filter(place => has(mask, place.numaNode)).map(place => place.cpu));
    return common(cpus, inside);
  };
  const all = allCpus(policy.machine.cpus);
  const hints = hintsFor(
    policy.machine.nodes,
    count,
    mask => within(mask, all).length,
    mask => (sameSet(within(mask, mustHave), mustHave) ? within(mask, free).length : undefined),
  );
  return new Map([['cpu', hints]]);
}

/** Processors that can be had to oneself when nothing is taken. */
export function allocatableCpus({ machine, reserved }: CpuPolicy): CpuSet {
  return without(allCpus(machine.cpus), reserved);
}

/** Why a remembered state does not go with the machine and its settings now; undefined if it does. */
export function cpuStateConflict(policy: CpuPolicy, state: CpuState): string | undefined {
  const { reserved, options } = policy;
  const shared = formatCpuSet(state.shared);
  if (options.strictReservation) {
    const both = common(reserved, state.shared);
    if (both.length > 0)
      return `some of strictly reserved cpus: "${formatCpuSet(both)}" are present in defaultCpuSet: "${shared}"`;
  } else if (!isWithin(reserved, state.shared)) {
    return `not all reserved cpus: "${formatCpuSet(reserved)}" are present in defaultCpuSet: "${shared}"`;
  }
  for (const [uid, containers] of state.assigned) {
    for (const [container, cpus] of containers) {
      if (common(cpus, state.shared).length > 0)
        return `pod: ${uid}, container: ${container} cpuset: "${formatCpuSet(cpus)}" overlaps with default cpuset "${shared}"`;
    }
  }
  const known = unionOf(state.shared, ...[...state.assigned.values()].flatMap(containers => [...containers.values()]));
  const all = allCpus(policy.machine.cpus);
  const expected = options.strictReservation ? without(all, reserved) : all;
  if (sameSet(known, expected)) return undefined;
  return `current set of available CPUs "${formatCpuSet(expected)}" doesn't match with CPUs in state "${formatCpuSet(known)}"`;
}

function allCpus(places: readonly CpuPlace[]): CpuSet {
  return cpuSet(places.map(place => place.cpu));
}

function assignable({ reserved }: CpuPolicy, state: CpuState): CpuSet {
  return without(state.shared, reserved);
}

/** What ended init containers had and nobody after them has. */
function reusable(pod: Pod, own: ReadonlyMap<string, CpuSet> | undefined): CpuSet {
  if (own === undefined) return EMPTY_CPU_SET;
  const passing = passingContainers(pod);
  const sets = (ofPassing: boolean): CpuSet[] =>
    [...own].filter(([name]) => passing.has(name) === ofPassing).map(([, cpus]) => cpus);
  return without(unionOf(...sets(true)), unionOf(...sets(false)));
}

function threadsPerCore({ machine }: CpuPolicy): number {
  const cores = new Set(machine.cpus.map(place => place.core)).size;
  return Math.max(1, Math.floor(machine.cpus.length / Math.max(1, cores)));
}

function wholeCores({ machine }: CpuPolicy, available: CpuSet): CpuSet {
  const has = new Set(available);
  const broken = new Set(machine.cpus.filter(place => !has.has(place.cpu)).map(place => place.core));
  const coreOf = new Map(machine.cpus.map(place => [place.cpu, place.core]));
  return available.filter(cpu => !broken.has(coreOf.get(cpu) ?? -1));
}

function checkCores(policy: CpuPolicy, count: number, available: CpuSet): void {
  if (!policy.options.fullCoresOnly) return;
  const perCore = threadsPerCore(policy);
  if (count % perCore !== 0) {
    const message = `SMT Alignment Error: requested ${count} cpus not multiple cpus per core = ${perCore}`;
    throw new AdmissionFailure('SMTAlignmentError', message);
  }
  const physical = wholeCores(policy, available).length;
  if (count > physical) {
    const message = `SMT Alignment Error: not enough free physical CPUs: available physical CPUs = ${physical}, requested CPUs = ${count}, CPUs per core = ${perCore}`;
    throw new AdmissionFailure('SMTAlignmentError', message);
  }
}

function usable(policy: CpuPolicy, available: CpuSet): CpuSet {
  return policy.options.fullCoresOnly ? wholeCores(policy, available) : available;
}

function choose(policy: CpuPolicy, from: CpuSet, count: number, nodes: NumaMask | undefined): CpuSet {
  const { machine, options } = policy;
  const available = usable(policy, from);
  const how = { ...options, groupSize: options.fullCoresOnly ? threadsPerCore(policy) : 1 };
  if (nodes === undefined) return chooseCpus(machine.cpus, available, count, how);
  const near = common(available, cpuSet(machine.cpus.filter(p => has(nodes, p.numaNode)).map(p => p.cpu)));
  const aligned = chooseCpus(machine.cpus, near, Math.min(count, near.length), how);
  const rest = chooseCpus(machine.cpus, without(available, aligned), count - aligned.length, how);
  return unionOf(aligned, rest);
}
