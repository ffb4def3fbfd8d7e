/**
 * A pod waits until its claims exist, and runs where their volumes are or can be; these are set aside with its node, and bound before the pod is.
 * Source: upstream plugin VolumeBinding, 1.36.
 *
 * Differs: nodes are scored by their storage when `shape` is given; upstream wants a feature gate as well.
 */
import type { VolumeBindingArgs } from '../../../proto/api/kube-scheduler-config-v1.ts';
import type { Plugin } from '../framework/framework.ts';
import type { Handle } from '../framework/handle.ts';
import { onLine } from '../plan/resource-scores.ts';
import {
  claimUserHint,
  csiDriverHint,
  localPathHint,
  ownClaimHint,
  storageCapacityHint,
  storageClassHint,
} from '../plan/volume-hints.ts';
import { storageUse, volumeScore } from '../plan/volume-score.ts';
import { claimsOf, planVolumes, type PodClaims, type VolumeDecision } from '../plan/volumes.ts';

const NAME = 'VolumeBinding';
const RESERVED = `${NAME}/reserved`;
const DEFAULT_TIMEOUT_SECONDS = 600;
/** Scores of a shape's points are 0 to 10. */
const SHAPE_SCALE = 10;

export function volumeBinding(args: unknown, { volumes, snapshot }: Pick<Handle, 'volumes' | 'snapshot'>): Plugin {
  const { bindTimeoutSeconds = DEFAULT_TIMEOUT_SECONDS, shape } = (args ?? {}) as VolumeBindingArgs;
  const { sources } = volumes;
  const points = shape?.map(({ utilization, score }) => ({ utilization, score: score * SHAPE_SCALE }));
  return {
    name: NAME,
    preFilter(state, pod) {
      const claims = claimsOf(pod, sources);
      if (claims === undefined) return 'skip';
      if ('reason' in claims) return claims;
      state.write(NAME, claims);
      return undefined;
    },
    filter(state, _pod, { node }) {
      const answer = planVolumes(state.read<PodClaims>(NAME), node, sources);
      return 'bindings' in answer ? undefined : answer;
    },
    preScore(state) {
      const waiting = state.find<PodClaims>(NAME)?.waiting ?? [];
      return points === undefined || waiting.length === 0 ? 'skip' : undefined;
    },
    score(state, _pod, { node }) {
      const answer = planVolumes(state.read<PodClaims>(NAME), node, sources);
      if (!('bindings' in answer) || points === undefined) return 0;
      return volumeScore(storageUse(answer, node, sources), utilization => onLine(points, utilization));
    },
    reserve(state, _pod, nodeName) {
      const claims = state.find<PodClaims>(NAME);
      const node = snapshot().node(nodeName)?.node;
      if (claims === undefined || claims.waiting.length === 0 || node === undefined) return undefined;
      const answer = planVolumes(claims, node, sources);
      if (!('bindings' in answer)) return answer[0];
      state.write(RESERVED, volumes.reserve(answer, nodeName));
      return undefined;
    },
    unreserve(state) {
      const reserved = state.find<VolumeDecision>(RESERVED);
      if (reserved !== undefined) volumes.release(reserved);
    },
    async preBind(state, pod, nodeName, signal) {
      const reserved = state.find<VolumeDecision>(RESERVED);
      const node = snapshot().node(nodeName)?.node;
      if (reserved === undefined) return;
      if (node === undefined) throw new Error(`node ${JSON.stringify(nodeName)} not found`);
      await volumes.bind(pod, reserved, node, { timeoutMs: bindTimeoutSeconds * 1000, signal });
    },
    eventsToRegister: () => [
      { resource: 'StorageClass', actions: ['Add', 'Update'], hint: storageClassHint },
      { resource: 'PersistentVolumeClaim', actions: ['Add', 'Update'], hint: ownClaimHint },
      { resource: 'PersistentVolume', actions: ['Add', 'Update'] },
      { resource: 'Node', actions: ['Add', 'UpdateNodeLabel'] },
      { resource: 'Node', actions: ['UpdateNodeAnnotation'], hint: localPathHint },
      { resource: 'CSINode', actions: ['Add'] },
      // Differs: upstream lets a pod wait for volumes that were set aside for one that did not come to its node.
      { resource: 'Pod', actions: ['AssignedPodDelete'], hint: claimUserHint },
      { resource: 'CSIDriver', actions: ['Update'], hint: csiDriverHint },
      { resource: 'CSIStorageCapacity', actions: ['Add', 'Update'], hint: storageCapacityHint },
    ],
  };
}
