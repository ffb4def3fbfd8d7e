/**
 * Which devices a container gets. The plugin may be asked what it prefers in between, so this goes in two steps.
 * Source: `pkg/kubelet/cm/devicemanager/manager.go` 1.36, devicesToAllocate and filterByAffinity.
 */
import { has, maskOf, type NumaMask } from './numa-mask.ts';
import { hintsFor, type TopologyHint } from './topology-policy.ts';
import type { NumaNode } from '../../../../machinery/meta/machine-topology.ts';

/** A device as its plugin told it. */
export interface DeviceView {
  readonly id: string;
  readonly healthy: boolean;
  /** NUMA nodes that it is near to; empty if that does not matter. */
  readonly nodes: readonly number[];
}

export interface DeviceWish {
  readonly count: number;
  /** Healthy, and nobody's. */
  readonly free: readonly DeviceView[];
  /** Of init containers of the pod that will have ended: taken first. */
  readonly reusable: readonly string[];
  readonly nodes: NumaMask | undefined;
}

export interface DeviceChoice {
  /** Already chosen. */
  readonly sure: readonly string[];
  /** How many more are to be chosen of `candidates`, best first. */
  readonly missing: number;
  readonly candidates: readonly string[];
  /** Whether what the plugin prefers can matter. */
  readonly isOpen: boolean;
}

/** First what must be, then what is near. There must be enough: `free` and `reusable` together. */
export function beginChoice({ count, free, reusable, nodes }: DeviceWish): DeviceChoice {
  const again = reusable.slice(0, count);
  const missing = count - again.length;
  const near = (device: DeviceView): boolean => nodes !== undefined && device.nodes.some(node => has(nodes, node));
  const knowsPlace = free.some(device => device.nodes.length > 0);
  const aligned = knowsPlace ? free.filter(near) : [];
  const chosen = new Set(aligned.map(device => device.id));
  const others = free.filter(device => !chosen.has(device.id));
  // Those that are near to other nodes before those that could be near to any: as upstream has it.
  const rest = [
    ...others.filter(device => device.nodes.length > 0),
    ...others.filter(device => device.nodes.length === 0),
  ];
  const ids = (devices: readonly DeviceView[]): string[] => devices.map(device => device.id);
  if (missing < aligned.length) return { sure: again, missing, candidates: ids(aligned), isOpen: missing > 0 };
  const left = missing - aligned.length;
  return {
    sure: [...again, ...ids(aligned)],
    missing: left,
    candidates: ids(rest),
    isOpen: left > 0 && left < rest.length,
  };
}

/** @param preferred what the plugin would choose; what is no candidate is passed over */
export function endChoice(choice: DeviceChoice, preferred: readonly string[]): string[] {
  const candidates = new Set(choice.candidates);
  const ordered = [...preferred.filter(id => candidates.has(id)), ...choice.candidates];
  return [...choice.sure, ...[...new Set(ordered)].slice(0, choice.missing)];
}

/**
 * Where devices could be taken from; undefined if it does not matter.
 * @param all of the resource, in use or not
 * @param mustHave those that would be used again
 */
export function deviceHints(
  machine: readonly NumaNode[],
  count: number,
  all: readonly DeviceView[],
  free: readonly DeviceView[],
  mustHave: readonly DeviceView[],
): readonly TopologyHint[] | undefined {
  if (!all.some(device => device.nodes.length > 0)) return undefined;
  if (free.length + mustHave.length < count) return [];
  const touches = (mask: NumaMask, device: DeviceView): boolean => (maskOf(device.nodes) & mask) !== 0;
  const among = (mask: NumaMask, devices: readonly DeviceView[]): number =>
    devices.filter(device => touches(mask, device)).length;
  return hintsFor(
    machine,
    count,
    mask => among(mask, all),
    mask =>
      mustHave.some(device => device.nodes.length > 0 && !touches(mask, device))
        ? undefined
        : among(mask, [...mustHave, ...free]),
  );
}
