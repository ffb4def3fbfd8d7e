/**
 * How many pods the controllers of some pods want to have. Source: upstream `pkg/controller/disruption/disruption.go` (the finders).
 */
import type { Deployment, ReplicaSet, StatefulSet } from '../../../proto/api/apps-v1.ts';
import type { Scale } from '../../../proto/api/autoscaling-v1.ts';
import type { Pod, ReplicationController } from '../../../proto/api/core-v1.ts';
import type { OwnerReference } from '../../../proto/api/meta-v1.ts';
import type { Client } from '../../../machinery/client/client.ts';
import type { Lister } from '../../../machinery/client/informer.ts';
import { controllerOf, splitApiVersion } from '../../../machinery/meta/object.ts';
import { isNotFound } from '../../../machinery/meta/status-error-from.ts';
import { scalePath } from '../runtime/scale-path.ts';

export interface ScaleSources {
  client: Client;
  replicaSets: Lister<ReplicaSet>;
  replicationControllers: Lister<ReplicationController>;
  deployments: Lister<Deployment>;
  statefulSets: Lister<StatefulSet>;
}

/** Nobody says how many pods there should be: some have a controller without a `scale`. */
export class UnknownScaleError extends Error {
  override readonly name = 'UnknownScaleError';
}

export interface ExpectedScale {
  /** The sum over all controllers, each counted once. */
  readonly replicas: number;
  /** Names of pods without a controller: nobody knows how many of them there should be. */
  readonly unmanaged: readonly string[];
}

/** @throws UnknownScaleError, StatusError */
export async function expectedScale(
  sources: ScaleSources,
  pods: readonly Pod[],
  signal: AbortSignal,
): Promise<ExpectedScale> {
  /** By the uid of whoever is asked in the end: two sets of one deployment share its number. */
  const wanted = new Map<string, number>();
  const asked = new Set<string>();
  const unmanaged: string[] = [];
  for (const pod of pods) {
    const owner = controllerOf(pod);
    if (owner === undefined) unmanaged.push(pod.metadata.name ?? '');
    else if (!asked.has(owner.uid)) {
      asked.add(owner.uid);
      const { uid, replicas } = await scaleOf(sources, pod.metadata.namespace ?? '', owner, signal);
      wanted.set(uid, replicas);
    }
  }
  return { replicas: [...wanted.values()].reduce((sum, replicas) => sum + replicas, 0), unmanaged };
}

async function scaleOf(
  sources: ScaleSources,
  namespace: string,
  owner: OwnerReference,
  signal: AbortSignal,
): Promise<{ uid: string; replicas: number }> {
  const { group } = splitApiVersion(owner.apiVersion);
  if (group === 'apps' && owner.kind === 'ReplicaSet') {
    const set = sources.replicaSets.get(namespace, owner.name);
    const above = set === undefined ? undefined : controllerOf(set);
    const deployment = above?.kind === 'Deployment' ? sources.deployments.get(namespace, above.name) : undefined;
    if (deployment !== undefined && deployment.metadata.uid === above?.uid) {
      return { uid: above?.uid ?? '', replicas: deployment.spec.replicas ?? 1 };
    }
    if (set?.metadata.uid === owner.uid) return { uid: owner.uid, replicas: set.spec.replicas ?? 1 };
  } else if (group === 'apps' && owner.kind === 'StatefulSet') {
    const set = sources.statefulSets.get(namespace, owner.name);
    if (set?.metadata.uid === owner.uid) return { uid: owner.uid, replicas: set.spec?.replicas ?? 1 };
  } else if (group === '' && owner.kind === 'ReplicationController') {
    const rc = sources.replicationControllers.get(namespace, owner.name);
    if (rc?.metadata.uid === owner.uid) return { uid: owner.uid, replicas: rc.spec.replicas ?? 1 };
  }
  return { uid: owner.uid, replicas: await askForScale(sources.client, namespace, owner, signal) };
}

/** Whatever has a `scale` says it there. */
async function askForScale(
  client: Client,
  namespace: string,
  owner: OwnerReference,
  signal: AbortSignal,
): Promise<number> {
  const path = scalePath(owner.apiVersion, owner.kind, namespace, owner.name);
  const named = `${owner.kind} "${owner.name}"`;
  if (path === undefined) throw new UnknownScaleError(`${named} of ${owner.apiVersion} does not implement scale`);
  try {
    const scale = (await client.raw('GET', path, undefined, signal)) as Scale;
    if (scale.metadata.uid === owner.uid) return scale.spec?.replicas ?? 0;
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
  throw new UnknownScaleError(`${named} is not there, or does not implement scale`);
}
