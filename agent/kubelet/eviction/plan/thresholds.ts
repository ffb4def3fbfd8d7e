/**
 * Eviction thresholds as the configuration says them: `memory.available: 100Mi`, `nodefs.available: 10%`.
 * Source: kubernetes 1.36 `pkg/kubelet/eviction/helpers.go`, ParseThresholdConfig; kubernetes.io/docs, "Node-pressure Eviction".
 */
import { parseDurationMs } from '../../../../machinery/meta/duration.ts';
import { tryParseQuantity } from '../../../../machinery/meta/quantity.ts';
import type { KubeletConfiguration } from '../../config/plan/kubelet-configuration.ts';

/** What is watched. All but memory and pids count in bytes or in inodes. */
export type Signal =
  | 'memory.available'
  | 'allocatableMemory.available'
  | 'nodefs.available'
  | 'nodefs.inodesFree'
  | 'imagefs.available'
  | 'imagefs.inodesFree'
  | 'containerfs.available'
  | 'containerfs.inodesFree'
  | 'pid.available';

/** Condition of the node that tells of a signal, and what is short then. */
export type PressureCondition = 'MemoryPressure' | 'DiskPressure' | 'PIDPressure';
export type StarvedResource = 'memory' | 'ephemeral-storage' | 'inodes' | 'pids';

const DISK = { condition: 'DiskPressure', resource: 'ephemeral-storage' } as const;
const INODES = { condition: 'DiskPressure', resource: 'inodes' } as const;
const MEMORY = { condition: 'MemoryPressure', resource: 'memory' } as const;

export const SIGNALS: Readonly<Record<Signal, { condition: PressureCondition; resource: StarvedResource }>> = {
  'memory.available': MEMORY,
  'allocatableMemory.available': MEMORY,
  'nodefs.available': DISK,
  'nodefs.inodesFree': INODES,
  'imagefs.available': DISK,
  'imagefs.inodesFree': INODES,
  'containerfs.available': DISK,
  'containerfs.inodesFree': INODES,
  'pid.available': { condition: 'PIDPressure', resource: 'pids' },
};

/** A count, or a part of what the node has. */
export type Amount =
  { readonly kind: 'count'; readonly value: number } | { readonly kind: 'fraction'; readonly value: number };

export interface Threshold {
  readonly signal: Signal;
  /** Met when less than this is available. */
  readonly amount: Amount;
  /** How long it must be met before pods go; 0: a hard threshold. */
  readonly gracePeriodMs: number;
  /** Once met it stays met until this much more is available. */
  readonly minimumReclaim: Amount | undefined;
}

/** Settings of a KubeletConfiguration, by its names. */
export type EvictionSettings = Pick<
  KubeletConfiguration,
  'evictionHard' | 'evictionSoft' | 'evictionSoftGracePeriod' | 'evictionMinimumReclaim' | 'enforceNodeAllocatable'
>;

/** Hard ones first. The configuration is validated: what is no quantity, percentage or duration never comes here. */
export function parseThresholds(settings: EvictionSettings): Threshold[] {
  const { evictionHard, evictionSoft, evictionSoftGracePeriod = {}, evictionMinimumReclaim = {} } = settings;
  const read = (list: Readonly<Record<string, string>> | undefined, graceOf: (signal: string) => number) =>
    Object.entries(list ?? {}).flatMap(([signal, text]): Threshold[] => {
      // Upstream's way to turn one off.
      if (text === '0%' || text === '100%' || text === '0') return [];
      const reclaim = evictionMinimumReclaim[signal];
      const minimumReclaim = reclaim === undefined ? undefined : amountOf(reclaim);
      return [{ signal: signal as Signal, amount: amountOf(text), gracePeriodMs: graceOf(signal), minimumReclaim }];
    });
  const thresholds = [
    ...read(evictionHard, () => 0),
    ...read(evictionSoft, signal => parseDurationMs(evictionSoftGracePeriod[signal] ?? '') ?? 0),
  ];
  if (!(settings.enforceNodeAllocatable ?? []).includes('pods')) return thresholds;
  const memory = thresholds.filter(({ signal, gracePeriodMs }) => signal === 'memory.available' && gracePeriodMs === 0);
  return [
    ...thresholds,
    ...memory.map(threshold => ({ ...threshold, signal: 'allocatableMemory.available' as const })),
  ];
}

function amountOf(text: string): Amount {
  if (text.endsWith('%')) return { kind: 'fraction', value: Number(text.slice(0, -1)) / 100 };
  return { kind: 'count', value: tryParseQuantity(text)?.value() ?? 0 };
}

/** Which of the node's file systems are one. */
export interface FilesystemLayout {
  /** Images lie on another device than the kubelet's folder. */
  readonly dedicatedImageFs: boolean;
  /** Containers' writable layers do not lie with the images but with the kubelet's folder. */
  readonly splitContainerFs: boolean;
}

/** Containers' file system is always another one's twin: it has the thresholds of that one, whatever was said. */
export function withContainerFs(thresholds: readonly Threshold[], layout: FilesystemLayout): Threshold[] {
  const twin = layout.dedicatedImageFs && !layout.splitContainerFs ? 'imagefs.' : 'nodefs.';
  const own = thresholds.filter(({ signal }) => !signal.startsWith('containerfs.'));
  const copies = own
    .filter(({ signal }) => signal.startsWith(twin))
    .map(threshold => ({ ...threshold, signal: threshold.signal.replace(twin, 'containerfs.') as Signal }));
  return [...own, ...copies];
}

/** What the amount is of a whole. */
export function countOf(amount: Amount, capacity: number): number {
  return amount.kind === 'count' ? amount.value : Math.trunc(capacity * amount.value);
}
