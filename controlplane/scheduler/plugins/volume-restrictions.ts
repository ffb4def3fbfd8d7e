/**
 * A claim that is for one pod alone (ReadWriteOncePod) keeps a second one waiting, wherever that would run, unless it may take the first one's
 * place; and a disk of an old kind, on its node. Source: upstream plugin VolumeRestrictions, 1.36; KEP-2485.
 */
import type { Pod, Volume } from '../../../proto/api/core-v1.ts';
import type { Plugin, Rejection } from '../framework/framework.ts';
import { conflicts, exclusiveDisksOf } from '../plan/disk-conflicts.ts';
import { ownClaimHint, sharedClaimHint } from '../plan/volume-hints.ts';
import type { VolumeSources } from '../plan/volumes.ts';

const NAME = 'VolumeRestrictions';
const TAKEN: readonly Rejection[] = [
  {
    reason: 'node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode',
    unresolvable: false,
  },
];
const CONFLICT: readonly Rejection[] = [{ reason: 'node(s) had no available disk', unresolvable: false }];

class Restrictions {
  readonly disks: readonly Volume[];
  /** Names of claims for one pod alone. */
  readonly claims: ReadonlySet<string>;
  /** How often pods on any node use one of them. */
  users: number;

  constructor(disks: readonly Volume[], claims: ReadonlySet<string>, users: number) {
    this.disks = disks;
    this.claims = claims;
    this.users = users;
  }

  clone(): Restrictions {
    return new Restrictions(this.disks, this.claims, this.users);
  }

  count(pod: Pod, other: Pod, by: 1 | -1): void {
    if (this.claims.size === 0 || other.metadata.namespace !== pod.metadata.namespace) return;
    for (const name of directClaimsOf(other)) if (this.claims.has(name)) this.users += by;
  }
}

export function volumeRestrictions(sources: Pick<VolumeSources, 'claim'>): Plugin {
  return {
    name: NAME,
    preFilter(state, pod, snapshot) {
      const { namespace = '' } = pod.metadata;
      const claims = new Set<string>();
      for (const name of directClaimsOf(pod)) {
        const claim = sources.claim(namespace, name);
        if (claim === undefined) return { reason: `persistentvolumeclaim "${name}" not found`, unresolvable: true };
        if (claim.spec.accessModes?.includes('ReadWriteOncePod') === true) claims.add(name);
      }
      const disks = exclusiveDisksOf(pod);
      if (claims.size === 0 && disks.length === 0) return 'skip';
      let users = 0;
      for (const name of claims) users += snapshot.claimUsers(namespace, name);
      state.write(NAME, new Restrictions(disks, claims, users));
      return undefined;
    },
    addPod: (state, pod, other) => state.find<Restrictions>(NAME)?.count(pod, other, 1),
    removePod: (state, pod, other) => state.find<Restrictions>(NAME)?.count(pod, other, -1),
    filter(state, _pod, { pods }) {
      const { disks, users } = state.read<Restrictions>(NAME);
      if (users > 0) return TAKEN;
      if (disks.length === 0) return undefined;
      for (const other of pods.values())
        for (const theirs of exclusiveDisksOf(other)) if (disks.some(ours => conflicts(ours, theirs))) return CONFLICT;
      return undefined;
    },
    eventsToRegister: () => [
      {
        resource: 'Pod',
        actions: ['AssignedPodDelete'],
        hint: (pod, older) =>
          sharedClaimHint(pod, older) === 'queue' || sharesDisk(pod, older as Pod) ? 'queue' : 'skip',
      },
      { resource: 'Node', actions: ['Add'] },
      { resource: 'PersistentVolumeClaim', actions: ['Add', 'Update'], hint: ownClaimHint },
    ],
  };
}

function sharesDisk(pod: Pod, other: Pod): boolean {
  const ours = exclusiveDisksOf(pod);
  return ours.length > 0 && exclusiveDisksOf(other).some(theirs => ours.some(each => conflicts(each, theirs)));
}

/** Claims that volumes make for a pod are its own anyway. */
function directClaimsOf({ spec }: Pod): string[] {
  return (spec.volumes ?? []).flatMap(({ persistentVolumeClaim }) => persistentVolumeClaim?.claimName ?? []);
}
