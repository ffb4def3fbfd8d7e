/** Finds the persistent volume behind a pod's claim, as node and pod may use it. Source: kubernetes `desired_state_of_world_populator.go`. */
import type { Client } from '../../../machinery/client/client.ts';
import { persistentVolumeClaims, persistentVolumes } from '../../../machinery/client/resource.ts';
import { claimNameOf } from '../../../machinery/meta/pod-claims.ts';
import type { PersistentVolumeClaim, Pod, Volume } from '../../../proto/api/core-v1.ts';
import type { BoundClaim } from './volume-kind.ts';

/** @throws Error saying what is wrong with the claim; StatusError as the server said */
export async function resolveClaim(
  client: Client,
  pod: Pod,
  volume: Volume,
  signal: AbortSignal,
): Promise<BoundClaim | undefined> {
  const name = claimNameOf(pod, volume);
  if (name === undefined) return undefined;
  const { namespace } = pod.metadata;
  const claim = await client.of(persistentVolumeClaims).get({ namespace, name }, signal);
  if (volume.ephemeral !== undefined) checkOwner(pod, claim);
  // Differs: a pod that runs keeps its claim when the kubelet starts again; it is what protects the claim.
  if (claim.metadata.deletionTimestamp !== undefined && (pod.status?.phase ?? 'Pending') === 'Pending')
    throw new Error('PVC is being deleted');
  const volumeName = claim.spec.volumeName ?? '';
  if (volumeName === '' || claim.status?.phase !== 'Bound')
    throw new Error(`persistentvolumeclaim "${name}" is not bound`);
  const found = await client.of(persistentVolumes).get({ name: volumeName }, signal);
  const boundTo = found.spec.claimRef?.uid;
  if (boundTo !== undefined && boundTo !== '' && boundTo !== claim.metadata.uid)
    throw new Error(`persistentvolume "${volumeName}" is bound to another claim than persistentvolumeclaim "${name}"`);
  return { claim, volume: found };
}

/** A claim of the right name that somebody else made is not the pod's. */
function checkOwner({ metadata: pod }: Pod, { metadata: claim }: PersistentVolumeClaim): void {
  const isOwner = (claim.ownerReferences ?? []).some(({ uid, controller }) => controller === true && uid === pod.uid);
  if (isOwner) return;
  const names = [claim, pod].map(({ namespace, name }) => `${namespace ?? ''}/${name ?? ''}`);
  throw new Error(`PVC ${names[0]} was not created for pod ${names[1]} (pod is not owner)`);
}
