/**
 * The settings of the kubelet's resource managers: what of them makes no sense by itself, and what they come to on a machine.
 * Source: kubernetes.io/docs, "Control CPU Management Policies on the Node", "Control Memory Management Policies on a Node", "Control Topology
 * Management Policies on a node"; maturity of the options as in 1.36.
 */
import { common, formatCpuSet, isWithin, parseCpuSet, type CpuSet } from '../../../../machinery/meta/cpu-set.ts';
import {
  forbiddenError,
  invalidError,
  notSupportedError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type { MachineTopology } from '../../../../machinery/meta/machine-topology.ts';
import type { ResourceAmounts } from '../../../../machinery/meta/pod-resources.ts';
import { Quantity, tryParseQuantity } from '../../../../machinery/meta/quantity.ts';
import type { KubeletConfiguration } from '../../config/plan/kubelet-configuration.ts';
import { chooseCpus } from './cpu-choice.ts';
import type { CpuPolicy } from './cpu-static.ts';
import { UnusableSettingsError } from '../../config/plan/unusable-settings-error.ts';
import type { MemoryPolicy } from './memory-static.ts';
import { MAX_NUMA_NODE_ID } from './numa-mask.ts';
import type { TopologyPolicy } from './topology-policy.ts';

export type ResourceSettings = Pick<
  KubeletConfiguration,
  | 'cpuManagerPolicy'
  | 'cpuManagerPolicyOptions'
  | 'reservedSystemCPUs'
  | 'kubeReserved'
  | 'systemReserved'
  | 'memoryManagerPolicy'
  | 'reservedMemory'
  | 'topologyManagerPolicy'
  | 'topologyManagerScope'
  | 'topologyManagerPolicyOptions'
>;

/** Settings that do not go with this machine: the node does not start. */
export class ResourceSettingsError extends UnusableSettingsError {
  override readonly name = 'ResourceSettingsError';
}

const CPU_OPTIONS = [
  'distribute-cpus-across-numa',
  'full-pcpus-only',
  'prefer-align-cpus-by-uncorecache',
  'strict-cpu-reservation',
];
/** Behind a gate upstream, off by default. */
const ALPHA_CPU_OPTIONS = ['align-by-socket', 'distribute-cpus-across-cores'];
const TOPOLOGY_OPTIONS = ['max-allowable-numa-nodes', 'prefer-closest-numa-nodes'];
/** Combinations of nodes double with each: beyond this an admission takes noticeable time. */
const DEFAULT_NUMA_NODES = 8;

const at = FieldPath.of;

/** What is wrong with the settings on whatever machine. */
export function resourceSettingErrors(settings: ResourceSettings): FieldError[] {
  return [...cpuErrors(settings), ...topologyErrors(settings), ...memoryErrors(settings)];
}

function cpuErrors(settings: ResourceSettings): FieldError[] {
  const errors: FieldError[] = [];
  const options = settings.cpuManagerPolicyOptions ?? {};
  for (const [name, value] of Object.entries(options)) {
    const path = at('cpuManagerPolicyOptions').key(name);
    if (settings.cpuManagerPolicy !== 'static')
      errors.push(forbiddenError(path, 'options need cpuManagerPolicy "static"'));
    else if (ALPHA_CPU_OPTIONS.includes(name))
      errors.push(forbiddenError(path, 'this option is alpha upstream, and not implemented; leave it out'));
    else if (!CPU_OPTIONS.includes(name)) errors.push(notSupportedError(path, name, CPU_OPTIONS));
    else if (asBoolean(value) === undefined) errors.push(invalidError(path, value, 'must be "true" or "false"'));
  }
  const isOn = (name: string): boolean => asBoolean(options[name]) === true;
  if (isOn('distribute-cpus-across-numa') && isOn('prefer-align-cpus-by-uncorecache')) {
    const path = at('cpuManagerPolicyOptions').key('prefer-align-cpus-by-uncorecache');
    errors.push(forbiddenError(path, 'cannot be used together with distribute-cpus-across-numa'));
  }
  if (isOn('strict-cpu-reservation') && cpuReservation(settings) === 0) {
    const path = at('cpuManagerPolicyOptions').key('strict-cpu-reservation');
    errors.push(forbiddenError(path, 'there is nothing to be strict about: reserve CPUs by reservedSystemCPUs'));
  }
  if (settings.cpuManagerPolicy === 'static' && cpuReservation(settings) === 0) {
    const why =
      'the static policy needs CPUs that are never given away: set reservedSystemCPUs, or cpu in kubeReserved or systemReserved';
    errors.push(invalidError(at('cpuManagerPolicy'), settings.cpuManagerPolicy, why));
  }
  return errors;
}

function topologyErrors({ topologyManagerPolicy, topologyManagerPolicyOptions = {} }: ResourceSettings): FieldError[] {
  return Object.entries(topologyManagerPolicyOptions).flatMap(([name, value]) => {
    const path = at('topologyManagerPolicyOptions').key(name);
    if (topologyManagerPolicy === 'none') return [forbiddenError(path, 'options need a topologyManagerPolicy')];
    if (!TOPOLOGY_OPTIONS.includes(name)) return [notSupportedError(path, name, TOPOLOGY_OPTIONS)];
    if (name === 'prefer-closest-numa-nodes')
      return asBoolean(value) === undefined ? [invalidError(path, value, 'must be "true" or "false"')] : [];
    const most = MAX_NUMA_NODE_ID + 1;
    const isNumber = /^\d+$/.test(value) && Number(value) >= DEFAULT_NUMA_NODES && Number(value) <= most;
    return isNumber ? [] : [invalidError(path, value, `must be a number from ${DEFAULT_NUMA_NODES} to ${most}`)];
  });
}

function memoryErrors({ memoryManagerPolicy, reservedMemory = [] }: ResourceSettings): FieldError[] {
  const errors: FieldError[] = [];
  if (reservedMemory.length > 0 && memoryManagerPolicy !== 'Static')
    errors.push(forbiddenError(at('reservedMemory'), 'has no meaning but with memoryManagerPolicy "Static"'));
  const seen = new Set<string>();
  for (const [index, { numaNode, limits }] of reservedMemory.entries()) {
    const path = at('reservedMemory').index(index);
    if (Object.keys(limits).length === 0)
      errors.push(invalidError(path.child('limits'), limits, 'must name an amount'));
    for (const [resource, amount] of Object.entries(limits)) {
      const limit = path.child('limits').key(resource);
      const quantity = tryParseQuantity(amount);
      if (resource !== 'memory' && !resource.startsWith('hugepages-'))
        errors.push(notSupportedError(limit, resource, ['memory', 'hugepages-<size>']));
      else if (quantity === undefined || quantity.sign() < 0)
        errors.push(invalidError(limit, amount, 'must be a quantity that is not negative'));
      const key = `${numaNode} ${resource}`;
      if (seen.has(key)) errors.push(invalidError(limit, amount, `NUMA node ${numaNode} reserves it twice`));
      seen.add(key);
    }
  }
  return errors;
}

/** @returns undefined for policy `none`. @throws ResourceSettingsError */
export function cpuPolicyOf(settings: ResourceSettings, machine: MachineTopology): CpuPolicy | undefined {
  if (settings.cpuManagerPolicy !== 'static') return undefined;
  const isOn = (name: string): boolean => asBoolean(settings.cpuManagerPolicyOptions?.[name]) === true;
  const options = {
    fullCoresOnly: isOn('full-pcpus-only'),
    strictReservation: isOn('strict-cpu-reservation'),
    distributeAcrossNuma: isOn('distribute-cpus-across-numa'),
    alignByUncoreCache: isOn('prefer-align-cpus-by-uncorecache'),
  };
  return { machine, options, reserved: reservedCpus(settings, machine) };
}

/** @throws ResourceSettingsError */
export function topologyPolicyOf(settings: ResourceSettings, machine: MachineTopology): TopologyPolicy {
  const name = settings.topologyManagerPolicy as TopologyPolicy['name'];
  const options = settings.topologyManagerPolicyOptions ?? {};
  const most = Number(options['max-allowable-numa-nodes'] ?? DEFAULT_NUMA_NODES);
  if (name !== 'none') checkNodes(machine, most, `topologyManagerPolicy "${name}"`);
  return {
    name,
    scope: settings.topologyManagerScope as TopologyPolicy['scope'],
    preferClosest: asBoolean(options['prefer-closest-numa-nodes']) === true,
  };
}

/** What the node keeps from pods of memory and huge pages; huge pages themselves are not kept from anybody. */
export function memoryKept(capacity: ResourceAmounts, allocatable: ResourceAmounts): ResourceAmounts {
  const amount = (of: ResourceAmounts, name: string): Quantity => tryParseQuantity(of[name] ?? '0') ?? Quantity.zero;
  const pages = Object.keys(capacity).filter(name => name.startsWith('hugepages-'));
  const kept = new Map(pages.map(name => [name, amount(capacity, name).sub(amount(allocatable, name))]));
  const small = pages.reduce((rest, name) => rest.sub(amount(capacity, name)), amount(capacity, 'memory'));
  kept.set('memory', small.sub(amount(allocatable, 'memory')));
  return Object.fromEntries([...kept].map(([name, quantity]) => [name, quantity.toString()]));
}

/**
 * @param reserved what the node keeps from pods in all, eviction threshold included
 * @returns undefined for policy `None`
 * @throws ResourceSettingsError
 */
export function memoryPolicyOf(
  settings: ResourceSettings,
  machine: MachineTopology,
  reserved: ResourceAmounts,
): MemoryPolicy | undefined {
  if (settings.memoryManagerPolicy !== 'Static') return undefined;
  checkNodes(machine, MAX_NUMA_NODE_ID + 1, 'memoryManagerPolicy "Static"');
  const byNode = new Map<number, ReadonlyMap<string, number>>();
  const totals = new Map<string, Quantity>();
  for (const { numaNode, limits } of settings.reservedMemory ?? []) {
    if (!machine.nodes.some(node => node.id === numaNode)) {
      const known = machine.nodes.map(node => node.id).join(', ');
      throw new ResourceSettingsError(`reservedMemory names NUMA node ${numaNode}; this machine has ${known}`);
    }
    const own = new Map(byNode.get(numaNode));
    for (const [resource, amount] of Object.entries(limits)) {
      const quantity = tryParseQuantity(amount) ?? Quantity.zero;
      own.set(resource, quantity.value());
      totals.set(resource, (totals.get(resource) ?? Quantity.zero).add(quantity));
    }
    byNode.set(numaNode, own);
  }
  checkReservation(totals, reserved);
  return { nodes: machine.nodes, reserved: byNode };
}

function checkReservation(totals: ReadonlyMap<string, Quantity>, reserved: ResourceAmounts): void {
  const kept = Object.entries(reserved).filter(([name]) => name === 'memory' || name.startsWith('hugepages-'));
  for (const resource of new Set([...totals.keys(), ...kept.map(([name]) => name)])) {
    const total = totals.get(resource) ?? Quantity.zero;
    const wanted = tryParseQuantity(reserved[resource] ?? '0') ?? Quantity.zero;
    if (total.equals(wanted)) continue;
    const what = `the total amount "${total.toString()}" of type "${resource}" is not equal to the value "${wanted.toString()}" determined by Node Allocatable feature`;
    const next = 'reservedMemory must add up to kubeReserved, systemReserved and evictionHard memory.available';
    throw new ResourceSettingsError(`${what}: ${next}`);
  }
}

function checkNodes({ nodes }: MachineTopology, most: number, who: string): void {
  const highest = nodes.at(-1)?.id ?? 0;
  if (nodes.length <= most && highest <= MAX_NUMA_NODE_ID) return;
  const next = 'set topologyManagerPolicyOptions max-allowable-numa-nodes, or policy "none"';
  throw new ResourceSettingsError(`${who} is for up to ${most} NUMA nodes; this machine has ${nodes.length}: ${next}`);
}

/** Whole processors; 0 if none are kept. */
function cpuReservation({ reservedSystemCPUs, kubeReserved, systemReserved }: ResourceSettings): number {
  if (reservedSystemCPUs !== '') return 1;
  const amounts = [kubeReserved?.['cpu'], systemReserved?.['cpu']].map(text => tryParseQuantity(text ?? '0'));
  const milli = amounts.reduce((sum, quantity) => sum + (quantity?.milliValue() ?? 0), 0);
  return Math.ceil(milli / 1000);
}

function reservedCpus(settings: ResourceSettings, machine: MachineTopology): CpuSet {
  const all = machine.cpus.map(place => place.cpu);
  if (settings.reservedSystemCPUs === '') {
    const count = cpuReservation(settings);
    if (count >= all.length)
      throw new ResourceSettingsError(`${count} CPUs are reserved, and this machine has ${all.length}`);
    return chooseCpus(machine.cpus, all, count, {
      distributeAcrossNuma: false,
      alignByUncoreCache: false,
      groupSize: 1,
    });
  }
  const reserved = parseCpuSet(settings.reservedSystemCPUs);
  if (!isWithin(reserved, all)) {
    const known = formatCpuSet(all);
    throw new ResourceSettingsError(`reservedSystemCPUs is ${formatCpuSet(reserved)}; this machine has CPUs ${known}`);
  }
  if (common(reserved, all).length === all.length)
    throw new ResourceSettingsError(`reservedSystemCPUs ${formatCpuSet(reserved)} leaves pods no CPU to themselves`);
  return reserved;
}

function asBoolean(text: string | undefined): boolean | undefined {
  if (text === 'true' || text === '1') return true;
  return text === 'false' || text === '0' ? false : undefined;
}
