/**
 * What a DELETE does to an object now: removes it, marks it as being deleted, or nothing because that has been done. Pure.
 * Source: apiserver `pkg/registry/rest/delete.go` (BeforeDelete), `pkg/registry/generic/registry/store.go` (finalizers of garbage collection).
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';

export type Propagation = 'Foreground' | 'Background' | 'Orphan';

export interface DeletionInput {
  readonly object: AnyObject;
  readonly nowMs: number;
  readonly requestedGraceSeconds: number | undefined;
  readonly propagation: Propagation | undefined;
  readonly defaultPropagation: Propagation;
  /** The grace period that the kind decided on; undefined: it has no graceful deletion. */
  readonly graceSeconds: number | undefined;
  /** Something else than finalizers holds the object. */
  readonly held: boolean;
}

export type DeletionPlan =
  | { readonly kind: 'delete' }
  | { readonly kind: 'pending' }
  | {
      readonly kind: 'mark';
      readonly deletionAtMs: number;
      readonly graceSeconds: number;
      readonly finalizers: readonly string[];
    };

const ORPHAN = 'orphan';
const FOREGROUND = 'foregroundDeletion';

export function deletionPlan(input: DeletionInput): DeletionPlan {
  const { object, nowMs, graceSeconds, held } = input;
  const meta = object.metadata;
  const old = meta.finalizers ?? [];
  const finalizers = finalizersFor(input, old);
  const changed = finalizers.length !== old.length || finalizers.some((f, i) => f !== old[i]);
  const blocked = finalizers.length > 0 || held;
  if (meta.deletionTimestamp === undefined) {
    const grace = graceSeconds ?? 0;
    if (grace === 0 && !blocked) return { kind: 'delete' };
    return { kind: 'mark', deletionAtMs: nowMs + grace * 1000, graceSeconds: grace, finalizers };
  }
  const deletionAtMs = Date.parse(meta.deletionTimestamp);
  const current = meta.deletionGracePeriodSeconds;
  const wanted = shorterGrace(input, current);
  if (wanted === 0 && !blocked) return { kind: 'delete' };
  if (wanted !== current || changed) {
    const grace = wanted ?? 0;
    return {
      kind: 'mark',
      deletionAtMs: deletionAtMs - ((current ?? 0) - grace) * 1000,
      graceSeconds: grace,
      finalizers,
    };
  }
  return { kind: 'pending' };
}

/** A grace period that runs may only be shortened. */
function shorterGrace(
  { graceSeconds, requestedGraceSeconds }: DeletionInput,
  current: number | undefined,
): number | undefined {
  if (graceSeconds === undefined || current === undefined) return 0;
  return requestedGraceSeconds !== undefined && requestedGraceSeconds < current ? requestedGraceSeconds : current;
}

function finalizersFor({ propagation, defaultPropagation }: DeletionInput, old: readonly string[]): string[] {
  const asked =
    propagation ?? (old.includes(ORPHAN) ? 'Orphan' : old.includes(FOREGROUND) ? 'Foreground' : defaultPropagation);
  const kept = old.filter(f => f !== ORPHAN && f !== FOREGROUND);
  if (asked === 'Orphan') return [...kept, ORPHAN];
  if (asked === 'Foreground') return [...kept, FOREGROUND];
  return kept;
}
