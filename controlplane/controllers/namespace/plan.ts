/**
 * What a namespace that is being deleted says of itself. Pure.
 * Source: upstream `pkg/controller/namespace/deletion/status_condition_utils.go`.
 */
import type { Namespace, NamespaceCondition, Pod } from '../../../proto/api/core-v1.ts';
import { setCondition } from '../../../machinery/meta/object.ts';
import { formatTime } from '../../../machinery/meta/time.ts';
import { isPodTerminal } from '../runtime/plan/pod-state.ts';

/** What one pass over the content found. */
export interface ContentReport {
  /** Groups that discovery did not tell of, with why. */
  readonly discoveryFailures: ReadonlyMap<string, string>;
  readonly deletionFailures: readonly string[];
  /** `pods.` to the number that is left. */
  readonly remaining: ReadonlyMap<string, number>;
  /** Finalizer to the number of objects that have it. */
  readonly finalizers: ReadonlyMap<string, number>;
}

export function isEmpty(report: ContentReport): boolean {
  return report.discoveryFailures.size + report.deletionFailures.length + report.remaining.size === 0;
}

/**
 * For how long, in seconds from the namespace's deletion, its pods may still be there without anything being wrong.
 * Source: upstream `namespaced_resources_deleter.go`, estimateGracefulTerminationForPods.
 */
export function podsGraceSeconds(pods: readonly Pod[]): number {
  return Math.max(
    0,
    ...pods.filter(pod => !isPodTerminal(pod)).map(pod => pod.spec?.terminationGracePeriodSeconds ?? 0),
  );
}

interface ResourceName {
  readonly group: string;
  readonly version: string;
  readonly resource: string;
}

/** What is said of objects of a kind that are left although nothing holds them. */
export function unexpectedlyLeft(namespace: string, { group, version, resource }: ResourceName): string {
  return `unexpected items still remain in namespace: ${namespace} for gvr: ${group}/${version}, Resource=${resource}`;
}

export function planConditions(
  namespace: Namespace,
  report: ContentReport,
  nowMs: number,
): readonly NamespaceCondition[] {
  const counts = (map: ReadonlyMap<string, number>, what: string): string =>
    [...map]
      .map(([name, n]) => `${name} ${what} ${n} resource instances`)
      .sort()
      .join(', ');
  const { discoveryFailures, deletionFailures, remaining, finalizers } = report;
  const unread = [...discoveryFailures].map(([group, why]) => `${group}: ${why}`).sort();
  const found: [type: string, bad: string, badReason: string, good: string, goodReason: string][] = [
    [
      'NamespaceDeletionDiscoveryFailure',
      unread.length === 0
        ? ''
        : `Discovery failed for some groups, ${unread.length} failing: unable to retrieve the complete list of server APIs: ${unread.join(', ')}`,
      'DiscoveryFailed',
      'All resources successfully discovered',
      'ResourcesDiscovered',
    ],
    [
      'NamespaceDeletionGroupVersionParsingFailure',
      '',
      '',
      'All legacy kube types successfully parsed',
      'ParsedGroupVersions',
    ],
    [
      'NamespaceDeletionContentFailure',
      deletionFailures.length === 0
        ? ''
        : `Failed to delete all resource types, ${deletionFailures.length} remaining: ${[...deletionFailures].sort().join(', ')}`,
      'ContentDeletionFailed',
      'All content successfully deleted, may be waiting on finalization',
      'ContentDeleted',
    ],
    [
      'NamespaceContentRemaining',
      remaining.size === 0 ? '' : `Some resources are remaining: ${counts(remaining, 'has')}`,
      'SomeResourcesRemain',
      'All content successfully removed',
      'ContentRemoved',
    ],
    [
      'NamespaceFinalizersRemaining',
      finalizers.size === 0
        ? ''
        : `Some content in the namespace has finalizers remaining: ${counts(finalizers, 'in')}`,
      'SomeFinalizersRemain',
      'All content-preserving finalizers finished',
      'ContentHasNoFinalizers',
    ],
  ];
  let conditions: readonly NamespaceCondition[] = namespace.status?.conditions ?? [];
  for (const [type, bad, badReason, good, goodReason] of found) {
    const failed = bad !== '';
    const status = failed ? 'True' : 'False';
    const next = { type, status, reason: failed ? badReason : goodReason, message: failed ? bad : good } as const;
    conditions = setCondition<NamespaceCondition>(conditions, next, formatTime(nowMs));
  }
  return conditions;
}
