/**
 * Revisions of a Deployment: which ReplicaSet is the new one, what annotations it carries, which old ones may go. Pure.
 * Source: upstream `pkg/controller/deployment/util/deployment_util.go`.
 */
import type { Deployment, ReplicaSet } from '../../../../proto/api/apps-v1.ts';
import type { PodTemplateSpec } from '../../../../proto/api/core-v1.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import { templateHash } from '../../../../machinery/meta/name-hash.ts';
import { controllerRef } from '../../../../machinery/meta/object.ts';
import { maxReplicasOf } from './sizes.ts';

export const REVISION = 'deployment.kubernetes.io/revision';
const REVISION_HISTORY = 'deployment.kubernetes.io/revision-history';
export const DESIRED_REPLICAS = 'deployment.kubernetes.io/desired-replicas';
export const MAX_REPLICAS = 'deployment.kubernetes.io/max-replicas';
export const HASH_LABEL = 'pod-template-hash';
const NOT_COPIED = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  REVISION,
  REVISION_HISTORY,
  DESIRED_REPLICAS,
  MAX_REPLICAS,
  'deprecated.deployment.rollback.to',
]);
/** Every set is kept. */
const NO_LIMIT = 2_147_483_647;
/** Of the list of revisions that a set once had. */
const MOST_HISTORY_CHARS = 2000;
const DEPLOYMENT_KIND = { group: 'apps', version: 'v1', kind: 'Deployment' };

/** Oldest first. */
export function byAge(sets: readonly ReplicaSet[]): ReplicaSet[] {
  const key = (set: ReplicaSet): string => `${set.metadata.creationTimestamp ?? ''} ${set.metadata.name ?? ''}`;
  return [...sets].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}

/** The set whose template is the Deployment's, apart from the hash label; of several the oldest. */
export function findNewSet(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSet | undefined {
  return byAge(sets).find(set => sameTemplate(set.spec?.template, deployment.spec?.template));
}

export function sameTemplate(a: PodTemplateSpec | undefined, b: PodTemplateSpec | undefined): boolean {
  return jsonEquals(withoutHash(a), withoutHash(b));
}

function withoutHash(template: PodTemplateSpec | undefined): unknown {
  if (template === undefined) return undefined;
  const labels = { ...template.metadata?.labels };
  delete labels[HASH_LABEL];
  const { creationTimestamp: _, ...metadata } = template.metadata ?? {};
  return { ...template, metadata: { ...metadata, labels: Object.keys(labels).length === 0 ? undefined : labels } };
}

const MAX_REVISION = 2n ** 63n - 1n;

/** Revisions are 64-bit integers; whatever is none counts as 0. */
export function revisionOf(set: ReplicaSet): bigint {
  const text = set.metadata.annotations?.[REVISION] ?? '';
  if (!/^[+-]?\d{1,19}$/.test(text)) return 0n;
  const revision = BigInt(text.replace('+', ''));
  return revision > MAX_REVISION || revision < -MAX_REVISION - 1n ? 0n : revision;
}

/** What the new set's revision must be at least: one more than any old one's. */
export function nextRevision(oldSets: readonly ReplicaSet[]): bigint {
  return oldSets.map(revisionOf).reduce((max, revision) => (revision > max ? revision : max), 0n) + 1n;
}

/** The annotations that the new set should have. The same object comes back when it has them. */
export function newSetAnnotations(deployment: Deployment, set: ReplicaSet, revision: bigint): Record<string, string> {
  const old = set.metadata.annotations ?? {};
  const next: Record<string, string> = { ...old, ...copiedAnnotations(deployment) };
  const before = old[REVISION];
  if (before === undefined || revisionOf(set) < revision) {
    next[REVISION] = String(revision);
    // A rollback gives an old set a new revision; the history remembers the ones it had.
    if (before !== undefined) next[REVISION_HISTORY] = withRevision(old[REVISION_HISTORY], before);
  }
  return jsonEquals(old, next) ? old : next;
}

/** The list with one more at its end; of one that gets too long the oldest go. */
function withRevision(history: string | undefined, revision: string): string {
  const revisions = [...(history ?? '').split(',').filter(word => word !== ''), revision];
  while (revisions.length > 1 && revisions.join(',').length > MOST_HISTORY_CHARS) revisions.shift();
  return revisions.join(',');
}

/** The size that a set is to remember, for proportional scaling. */
export function sizeAnnotations(deployment: Deployment): Record<string, string> {
  const desired = deployment.spec?.replicas ?? 1;
  return { [DESIRED_REPLICAS]: String(desired), [MAX_REPLICAS]: String(maxReplicasOf(deployment)) };
}

function copiedAnnotations(deployment: Deployment): Record<string, string> {
  const entries = Object.entries(deployment.metadata.annotations ?? {});
  return Object.fromEntries(entries.filter(([name]) => !NOT_COPIED.has(name)));
}

/** A new set for the Deployment's template. */
export function buildNewSet(deployment: Deployment, replicas: number, revision: bigint): ReplicaSet {
  const { template } = deployment.spec ?? { template: {} };
  const hash = templateHash(template, deployment.status?.collisionCount);
  const labels = { ...template.metadata?.labels, [HASH_LABEL]: hash };
  const selector = deployment.spec?.selector;
  const minReadySeconds = deployment.spec?.minReadySeconds;
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: `${deployment.metadata.name}-${hash}`,
      namespace: deployment.metadata.namespace,
      labels,
      annotations: { ...copiedAnnotations(deployment), ...sizeAnnotations(deployment), [REVISION]: String(revision) },
      ownerReferences: [controllerRef(deployment, DEPLOYMENT_KIND)],
    },
    spec: {
      replicas,
      ...(minReadySeconds === undefined ? {} : { minReadySeconds }),
      selector: { ...selector, matchLabels: { ...selector?.matchLabels, [HASH_LABEL]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

/** Old sets beyond the limit of history that nothing needs any more, oldest revisions first. */
export function setsToClean(deployment: Deployment, oldSets: readonly ReplicaSet[]): ReplicaSet[] {
  const alive = oldSets.filter(set => set.metadata.deletionTimestamp === undefined);
  const limit = deployment.spec?.revisionHistoryLimit ?? NO_LIMIT;
  const surplus = alive.length - limit;
  if (limit === NO_LIMIT || surplus <= 0) return [];
  const ordered = [...alive].sort((a, b) =>
    revisionOf(a) < revisionOf(b) ? -1 : revisionOf(a) > revisionOf(b) ? 1 : 0,
  );
  return ordered.slice(0, surplus).filter(set => {
    const seen = (set.status?.observedGeneration ?? 0) >= (set.metadata.generation ?? 0);
    return (set.status?.replicas ?? 0) === 0 && (set.spec?.replicas ?? 0) === 0 && seen;
  });
}
