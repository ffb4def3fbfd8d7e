/**
 * The templates that a DaemonSet or StatefulSet has had, each kept in a ControllerRevision. Pure.
 * Source: upstream `pkg/controller/history`; the data's form is what `kubectl rollout undo` applies as a patch.
 */
import type { ControllerRevision } from '../../../../proto/api/apps-v1.ts';
import type { PodTemplateSpec } from '../../../../proto/api/core-v1.ts';
import { canonicalJson, jsonEquals } from '../../../../machinery/meta/json-value.ts';
import { templateHash } from '../../../../machinery/meta/name-hash.ts';
import { controllerRef, type GroupVersionKind, type KubeObject } from '../../../../machinery/meta/object.ts';

/** Pods carry it: which revision they are of. Its value is the revision's hash (DaemonSet) or name (StatefulSet). */
export const REVISION_LABEL = 'controller-revision-hash';

export interface HistoryPlan {
  /** The revision of today's template, with its right number; undefined: it has to be made, as `nextRevision`. */
  current: ControllerRevision | undefined;
  /** `current` is stored with another number. */
  renumber: boolean;
  nextRevision: number;
  /** All others, oldest first. */
  old: ControllerRevision[];
}

/**
 * A strategic merge patch that puts the template back. Keys are sorted and there is an empty creationTimestamp, as Go writes it: tools compare
 * revisions byte by byte.
 */
export function revisionData(template: PodTemplateSpec): object {
  const metadata = { creationTimestamp: null, ...template.metadata };
  const data = { spec: { template: { ...template, metadata, $patch: 'replace' } } };
  return JSON.parse(canonicalJson(data)) as object;
}

/**
 * Whether both put the same template back. The empty creationTimestamp does not count: upstream writes it or not, by version, and nothing may
 * roll because another program reads the history.
 */
export function isSameData(a: unknown, b: unknown): boolean {
  return jsonEquals(withoutEmptyTime(a), withoutEmptyTime(b));
}

function withoutEmptyTime(data: unknown): unknown {
  const { spec } = (data ?? {}) as { spec?: { template?: PodTemplateSpec } };
  const metadata = spec?.template?.metadata as { creationTimestamp?: string | null } | undefined;
  if (metadata?.creationTimestamp !== null) return data;
  const { creationTimestamp: _, ...rest } = metadata;
  return { ...(data as object), spec: { ...spec, template: { ...spec?.template, metadata: rest } } };
}

export function planHistory(template: PodTemplateSpec, revisions: readonly ControllerRevision[]): HistoryPlan {
  const data = revisionData(template);
  const sorted = [...revisions].sort((a, b) => a.revision - b.revision);
  const same = sorted.filter(revision => isSameData(revision.data, data));
  const found = same.at(-1);
  const old = sorted.filter(revision => revision !== found);
  const nextRevision = (old.at(-1)?.revision ?? 0) + 1;
  if (found === undefined || found.revision >= nextRevision) {
    return { current: found, renumber: false, nextRevision, old };
  }
  return { current: { ...found, revision: nextRevision }, renumber: true, nextRevision, old };
}

/** @param collisionCount how often the hash had to be changed because another template has it */
export function newRevision(
  owner: KubeObject,
  ownerKind: GroupVersionKind,
  template: PodTemplateSpec,
  revision: number,
  collisionCount: number | undefined,
): ControllerRevision {
  const hash = templateHash(template, collisionCount);
  const { namespace, name, annotations } = owner.metadata;
  return {
    apiVersion: 'apps/v1',
    kind: 'ControllerRevision',
    metadata: {
      namespace,
      name: `${name}-${hash}`,
      labels: { ...template.metadata?.labels, [REVISION_LABEL]: hash },
      ...(annotations === undefined ? {} : { annotations }),
      ownerReferences: [controllerRef(owner, ownerKind)],
    },
    data: revisionData(template),
    revision,
  };
}

/** Old revisions beyond the limit that no pod is of, oldest first. */
export function revisionsToClean(
  old: readonly ControllerRevision[],
  isLive: (revision: ControllerRevision) => boolean,
  limit: number,
): ControllerRevision[] {
  return old.filter(revision => !isLive(revision)).slice(0, Math.max(0, old.length - limit));
}

export function hashOf(revision: ControllerRevision): string {
  return revision.metadata.labels?.[REVISION_LABEL] ?? revision.metadata.name ?? '';
}
