import { expect, test } from '@jest/globals';
import type { PersistentVolume, PersistentVolumeClaim, Pod } from '../../../proto/api/core-v1.ts';
import type { CSIDriver, CSINode } from '../../../proto/api/storage-v1.ts';
import { NodeInfo } from '../framework/node-info.ts';
import { snapshotOf } from '../framework/snapshot.ts';
import { decideNode, placed } from '../testdata/plugins-alone.ts';
import type { VolumeSources } from '../plan/volumes.ts';
import { nodeVolumeLimits } from './node-volume-limits.ts';
import { volumeRestrictions } from './volume-restrictions.ts';
import { volumeZone } from './volume-zone.ts';

interface World {
  /** Names of volumes that are attached to every node. */
  attached?: string[];
  claims?: Record<string, { volume?: string; mode?: string; storageClass?: string }>;
  volumes?: Record<string, { driver?: string; labels?: Record<string, string> }>;
  /** Limit of driver `d`; undefined: the node lacks it. */
  limit?: number;
  mustHave?: boolean;
}

function sources({ claims = {}, volumes = {}, limit, mustHave = false, attached = [] }: World): VolumeSources {
  return {
    claim(_, name): PersistentVolumeClaim | undefined {
      const known = claims[name];
      if (known === undefined) return undefined;
      const { volume, mode = 'ReadWriteOnce', storageClass = '' } = known;
      return { metadata: { name }, spec: { accessModes: [mode], volumeName: volume, storageClassName: storageClass } };
    },
    volume(name): PersistentVolume | undefined {
      const known = volumes[name];
      if (known === undefined) return undefined;
      return {
        metadata: { name, labels: known.labels },
        spec: known.driver === undefined ? {} : { csi: { driver: known.driver, volumeHandle: `handle-${name}` } },
      };
    },
    volumesFor: () => [],
    storageClass: name =>
      name === '' ? undefined : { metadata: { name }, provisioner: 'd', volumeBindingMode: 'WaitForFirstConsumer' },
    csiNode(name): CSINode {
      const drivers = limit === undefined ? [] : [{ name: 'd', nodeID: name, allocatable: { count: limit } }];
      return { metadata: { name }, spec: { drivers } };
    },
    storageCapacities: () => [],
    attachments: () => attached,
    csiDriver: (name): CSIDriver => ({ metadata: { name }, spec: { preventPodSchedulingIfMissing: mustHave } }),
  };
}

let count = 0;
function pod(...claims: string[]): Pod {
  const name = `p${count++}`;
  const volumes = claims.map(claimName => ({ name: claimName, persistentVolumeClaim: { claimName } }));
  return { metadata: { name, namespace: 'ns', uid: name }, spec: { containers: [], volumes } };
}

function node(name: string, pods: Pod[] = [], labels: Record<string, string> = {}): NodeInfo {
  const info = new NodeInfo({ metadata: { name, labels }, spec: {}, status: { allocatable: { pods: '9' } } });
  for (const each of pods) info.addPod(each);
  return info;
}

function decide(world: World, subject: Pod, ...nodes: NodeInfo[]): string {
  const all = sources(world);
  const plugins = placed(volumeRestrictions(all), nodeVolumeLimits(all), volumeZone(all));
  const decision = decideNode(plugins, subject, snapshotOf(nodes), () => 0);
  return decision.kind === 'fits' ? decision.nodeName : decision.message;
}

test('a claim for one pod alone keeps others waiting, wherever its pod runs', () => {
  const world: World = {
    claims: { one: { mode: 'ReadWriteOncePod', storageClass: 's' }, many: { storageClass: 's' } },
  };
  const message = 'node has pod using PersistentVolumeClaim with the same name and ReadWriteOncePod access mode';
  expect(decide(world, pod('one'), node('a', [pod('many')]))).toBe('a');
  expect(decide(world, pod('one'), node('a', [pod('one')]), node('b'))).toContain(`2 ${message}`);
  expect(decide(world, pod('many'), node('a', [pod('many')]))).toBe('a');
});

test.each<[string, World, string[], string]>([
  ['no driver, nobody minds', {}, ['v1'], 'a'],
  ['no driver, which its CSIDriver forbids', { mustHave: true }, ['v1'], 'node(s) lack CSI driver d'],
  ['room for one more', { limit: 2 }, ['v2'], 'a'],
  ['one too many', { limit: 1 }, ['v2'], 'node(s) exceed max volume count'],
  ['what is there already counts once', { limit: 1 }, ['v1'], 'a'],
  ['what is still to be made counts', { limit: 1 }, ['unmade'], 'node(s) exceed max volume count'],
  ['what is attached counts, too', { limit: 2, attached: ['v3'] }, ['v2'], 'node(s) exceed max volume count'],
  ['once', { limit: 2, attached: ['v1', 'v2'] }, ['v2'], 'a'],
  ['volumes of others do not count', { limit: 1 }, ['other'], 'a'],
])('limits of volumes: %s', (_name, world, claims, expected) => {
  const volumes = { v1: { driver: 'd' }, v2: { driver: 'd' }, v3: { driver: 'd' }, other: {} };
  const known = {
    v1: { volume: 'v1' },
    v2: { volume: 'v2' },
    other: { volume: 'other' },
    unmade: { storageClass: 's' },
  };
  expect(decide({ ...world, claims: known, volumes }, pod(...claims), node('a', [pod('v1')]))).toContain(expected);
});

test.each([
  ['zone', { 'topology.kubernetes.io/zone': 'z1' }, { 'topology.kubernetes.io/zone': 'z1' }, true],
  ['another zone', { 'topology.kubernetes.io/zone': 'z1' }, { 'topology.kubernetes.io/zone': 'z2' }, false],
  ['one of several', { 'topology.kubernetes.io/zone': 'z1__z2' }, { 'topology.kubernetes.io/zone': 'z2' }, true],
  ['an older name', { 'failure-domain.beta.kubernetes.io/zone': 'z' }, { 'topology.kubernetes.io/zone': 'z' }, true],
  ['a node of no zone is asked for none', { 'topology.kubernetes.io/region': 'r' }, {}, true],
  ['a node of a zone alone', { 'topology.kubernetes.io/region': 'r' }, { 'topology.kubernetes.io/zone': 'z' }, false],
  ['no list of zones', { 'topology.kubernetes.io/zone': 'z1__' }, { 'topology.kubernetes.io/zone': 'z2' }, true],
  ['a volume without zone', {}, {}, true],
])('zones of volumes: %s', (_name, labels, nodeLabels, fits) => {
  const world: World = { claims: { c: { volume: 'v' } }, volumes: { v: { labels: labels as Record<string, string> } } };
  const answer = decide(world, pod('c'), node('a', [], nodeLabels as Record<string, string>));
  if (fits) expect(answer).toBe('a');
  else expect(answer).toContain('node(s) had no available volume zone');
});
