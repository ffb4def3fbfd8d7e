/**
 * What a namespace that is being deleted says of itself. Pure.
 * Source: upstream `pkg/controller/namespace/deletion/status_condition_utils.go`.
 */
import type { Namespace, NamespaceCondition } from '../../../proto/api/core-v1.ts';
import { setCondition } from '../../../machinery/meta/object.ts';
import { formatTime } from '../../../machinery/meta/time.ts';

/** What one pass over the content found. */
export interface ContentReport {
  discoveryFailures: string[];
  deletionFailures: string[];
  /** `pods.` to the number that is left. */
  remaining: ReadonlyMap<string, number>;
  /** Finalizer to the number of objects that have it. */
  finalizers: ReadonlyMap<string, number>;
}

export function isEmpty(report: ContentReport): boolean {
  return report.discoveryFailures.length + report.deletionFailures.length + report.remaining.size === 0;
}

export function planConditions(namespace: Namespace, report: ContentReport, nowMs: number): NamespaceCondition[] {
  const counts = (map: ReadonlyMap<string, number>, what: string): string =>
    [...map]
      .sort()
      .map(([name, n]) => `${name} ${what} ${n} resource instances`)
      .join(', ');
  const found: [type: string, bad: string, badReason: string, good: string, goodReason: string][] = [
    [
      'NamespaceDeletionDiscoveryFailure',
      report.discoveryFailures.join(', '),
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
      report.deletionFailures.join(', '),
      'ContentDeletionFailed',
      'All content successfully deleted, may be waiting on finalization',
      'ContentDeleted',
    ],
    [
      'NamespaceContentRemaining',
      report.remaining.size === 0 ? '' : `Some resources are remaining: ${counts(report.remaining, 'has')}`,
      'SomeResourcesRemain',
      'All content successfully removed',
      'ContentRemoved',
    ],
    [
      'NamespaceFinalizersRemaining',
      report.finalizers.size === 0
        ? ''
        : `Some content in the namespace has finalizers remaining: ${counts(report.finalizers, 'in')}`,
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
  return [...conditions];
}
