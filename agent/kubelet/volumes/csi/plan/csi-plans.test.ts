import { describe, expect, test } from '@jest/globals';
import type { CSIPersistentVolumeSource, Node, PersistentVolume, Pod } from '../../../../../proto/api/core-v1.ts';
import type { CSIDriver, CSIDriverSpec, CSINode } from '../../../../../proto/api/storage-v1.ts';
import {
  VolumeCapability_AccessMode_Mode as Mode,
  VolumeUsage_Unit as Unit,
} from '../../../../../proto/csi/csi.gen.ts';
import { growthDue, grownStatus, mayGrow } from './claim-growth.ts';
import { blockPaths, stagePath } from './csi-paths.ts';
import { csiVolume, lifecycleProblem, needsAttach, planGroup, type CsiVolume } from './csi-volume.ts';
import { nodePatch, withDriver, withoutNodeId, withoutStale } from './node-drivers.ts';
import { seLinuxMountOption } from './selinux-option.ts';
import { volumeCapability } from './volume-capability.ts';
import { podInfo, tokensValue } from './volume-context.ts';
import { volumeUsage } from './volume-usage.ts';

function persistent(
  spec: Partial<PersistentVolume['spec']> = {},
  csi: Partial<CSIPersistentVolumeSource> = {},
): CsiVolume {
  const persistentVolume: PersistentVolume = {
    metadata: { name: 'pv' },
    spec: { accessModes: ['ReadWriteOnce'], csi: { driver: 'd', volumeHandle: 'h', fsType: 'ext4', ...csi }, ...spec },
  };
  return csiVolume({ volume: { name: 'v' }, persistentVolume, podUid: 'u', namespace: 'ns', readOnly: false });
}

function inline(csi: object = {}): CsiVolume {
  const volume = { name: 'v', csi: { driver: 'd', ...csi } };
  return csiVolume({ volume, persistentVolume: undefined, podUid: 'u', namespace: 'ns', readOnly: false });
}

const driver = (spec: CSIDriverSpec): CSIDriver => ({ metadata: { name: 'd' }, spec });

test('paths are those that drivers of other kubelets know', () => {
  const hash = 'aaa9402664f1a41f40ebbc52c9993eb66aeb366602958fdfaa283b71e64db123';
  expect(stagePath('/k', 'd', 'h')).toBe(`/k/plugins/kubernetes.io/csi/d/${hash}/globalmount`);
  expect(blockPaths('/k', 'pv')).toEqual({
    dataFolder: '/k/plugins/kubernetes.io/csi/volumeDevices/pv/data',
    staging: '/k/plugins/kubernetes.io/csi/volumeDevices/staging/pv',
    publishFolder: '/k/plugins/kubernetes.io/csi/volumeDevices/publish/pv',
    mapFolder: '/k/plugins/kubernetes.io/csi/volumeDevices/pv/dev',
  });
});

describe('csiVolume()', () => {
  test('of a persistent volume', () => {
    const ref = { namespace: 's', name: 'key' };
    const volume = persistent(
      { mountOptions: ['noatime'], volumeMode: 'Block' },
      { readOnly: true, nodeStageSecretRef: ref, volumeAttributes: { a: 'b' } },
    );
    expect(volume).toMatchObject({
      name: 'pv',
      handle: 'h',
      lifecycle: 'Persistent',
      isBlock: true,
      readOnly: true,
      attributes: { a: 'b' },
      mountOptions: ['noatime'],
      stageSecret: ref,
      publishSecret: undefined,
    });
  });

  test('of a pod’s own entry, whose handle is of the pod and the entry', () => {
    const volume = inline({ nodePublishSecretRef: { name: 'key' } });
    expect(volume).toMatchObject({
      name: 'v',
      lifecycle: 'Ephemeral',
      publishSecret: { namespace: 'ns', name: 'key' },
    });
    expect(volume.handle).toMatch(/^csi-[0-9a-f]{64}$/);
    expect(inline().handle).toBe(volume.handle);
  });
});

test.each<[string, CsiVolume, CSIDriver | undefined, string | undefined]>([
  ['persistent, no object', persistent(), undefined, undefined],
  ['inline, no object', inline(), undefined, 'volume mode "Ephemeral" not supported by driver d (no CSIDriver object)'],
  [
    'inline, persistent only',
    inline(),
    driver({ volumeLifecycleModes: ['Persistent'] }),
    'volume mode "Ephemeral" not supported by driver d (only supports ["Persistent"])',
  ],
  ['inline, allowed', inline(), driver({ volumeLifecycleModes: ['Persistent', 'Ephemeral'] }), undefined],
])('lifecycleProblem() %s', (_name, volume, object, expected) => {
  expect(lifecycleProblem(volume, object)).toBe(expected);
});

test.each<[CsiVolume, CSIDriver | undefined, boolean]>([
  [persistent(), undefined, true],
  [persistent(), driver({}), true],
  [persistent(), driver({ attachRequired: false }), false],
  [inline(), driver({}), false],
])('needsAttach() %#', (volume, object, expected) => {
  expect(needsAttach(volume, object)).toBe(expected);
});

test.each<[string, CsiVolume, CSIDriver | undefined, boolean, { change: boolean; delegated: string }]>([
  ['a file system of one node', persistent(), undefined, false, { change: true, delegated: '' }],
  ['no file system type', persistent({}, { fsType: '' }), undefined, false, { change: false, delegated: '' }],
  ['many writers', persistent({ accessModes: ['ReadWriteMany'] }), undefined, false, { change: false, delegated: '' }],
  ['File', persistent({}, { fsType: '' }), driver({ fsGroupPolicy: 'File' }), false, { change: true, delegated: '' }],
  ['None', persistent(), driver({ fsGroupPolicy: 'None' }), false, { change: false, delegated: '' }],
  ['read-only', persistent({}, { readOnly: true }), undefined, false, { change: false, delegated: '' }],
  ['the driver does it', persistent(), undefined, true, { change: false, delegated: '7' }],
  ['inline', inline({ fsType: 'ext4' }), undefined, false, { change: true, delegated: '' }],
  ['block', persistent({ volumeMode: 'Block' }), undefined, true, { change: false, delegated: '' }],
])('planGroup() %s', (_name, volume, object, canDelegate, expected) => {
  expect(planGroup(volume, 7, object, canDelegate)).toEqual(expected);
  expect(planGroup(volume, undefined, object, canDelegate)).toEqual({ change: false, delegated: '' });
});

test.each<[string, boolean, Mode]>([
  ['ReadWriteOnce', false, Mode.SINGLE_NODE_WRITER],
  ['ReadWriteOnce', true, Mode.SINGLE_NODE_MULTI_WRITER],
  ['ReadWriteOncePod', false, Mode.SINGLE_NODE_WRITER],
  ['ReadWriteOncePod', true, Mode.SINGLE_NODE_SINGLE_WRITER],
  ['ReadOnlyMany', true, Mode.MULTI_NODE_READER_ONLY],
  ['ReadWriteMany', true, Mode.MULTI_NODE_MULTI_WRITER],
])('volumeCapability() %s, writers told apart: %p', (mode, tellsWritersApart, expected) => {
  const input = { tellsWritersApart, mountGroup: '7', seLinuxOption: 'context="x"' };
  const volume = persistent({ accessModes: [mode], mountOptions: ['ro'] });
  expect(volumeCapability(volume, input)).toEqual({
    accessMode: { mode: expected },
    mount: { fsType: 'ext4', mountFlags: ['ro', 'context="x"'], volumeMountGroup: '7' },
  });
  expect(volumeCapability({ ...volume, isBlock: true }, input)).toEqual({ accessMode: { mode: expected }, block: {} });
});

test('podInfo() and tokensValue() have the keys that drivers look for', () => {
  const pod: Pod = {
    metadata: { name: 'p', namespace: 'ns', uid: 'u' },
    spec: { containers: [], serviceAccountName: 'sa' },
  };
  expect(podInfo(pod, inline())).toEqual({
    'csi.storage.k8s.io/pod.name': 'p',
    'csi.storage.k8s.io/pod.namespace': 'ns',
    'csi.storage.k8s.io/pod.uid': 'u',
    'csi.storage.k8s.io/serviceAccount.name': 'sa',
    'csi.storage.k8s.io/ephemeral': 'true',
  });
  const token = { token: 't', expirationTimestamp: '2026-01-01T00:00:00Z' };
  expect(JSON.parse(tokensValue([{ audience: 'vault', ...token }]))).toEqual({ vault: token });
});

test.each<[string, Partial<Pod['spec']>, object | undefined, string]>([
  ['no level', {}, undefined, ''],
  [
    'a level of the pod',
    { securityContext: { seLinuxOptions: { level: 's0:c1' } } },
    undefined,
    'context="system_u:object_r:container_file_t:s0:c1"',
  ],
  [
    'file by file',
    { securityContext: { seLinuxChangePolicy: 'Recursive', seLinuxOptions: { level: 's0:c1' } } },
    undefined,
    '',
  ],
  [
    'containers that differ',
    { securityContext: { seLinuxOptions: { level: 's0:c1' } } },
    { seLinuxOptions: { level: 's0:c2' } },
    '',
  ],
  ['a privileged container', { securityContext: { seLinuxOptions: { level: 's0:c1' } } }, { privileged: true }, ''],
])('seLinuxMountOption() %s', (_name, spec, ofSecond, expected) => {
  const volumeMounts = [{ name: 'v', mountPath: '/v' }];
  const second = ofSecond === undefined ? [] : [{ name: 'b', volumeMounts, securityContext: ofSecond }];
  const pod: Pod = { metadata: {}, spec: { ...spec, containers: [{ name: 'a', volumeMounts }, ...second] } };
  expect(seLinuxMountOption(pod, 'v')).toBe(expected);
});

describe('a driver in the objects of its node', () => {
  const info = { nodeId: 'i', maxVolumesPerNode: 3n, accessibleTopology: { segments: { 't/zone': 'z', 't/a': 'b' } } };
  const node = (labels: Record<string, string>, ids?: string): Node => ({
    metadata: { labels, ...(ids === undefined ? {} : { annotations: { 'csi.volume.kubernetes.io/nodeid': ids } }) },
    spec: {},
  });
  const csiNode = (...drivers: CSINode['spec']['drivers']): CSINode => ({ metadata: {}, spec: { drivers } });
  const entry = { name: 'd', nodeID: 'i', topologyKeys: ['t/a', 't/zone'], allocatable: { count: 3 } };

  test('nodePatch() adds what is missing, and refuses to move a node', () => {
    expect(nodePatch(node({ 't/a': 'b' }, '{"x":"y"}'), 'd', info)).toEqual({
      metadata: {
        labels: { 't/zone': 'z' },
        annotations: { 'csi.volume.kubernetes.io/nodeid': '{"x":"y","d":"i"}' },
      },
    });
    expect(nodePatch(node({ 't/a': 'b', 't/zone': 'z' }, '{"d":"i"}'), 'd', info)).toBeUndefined();
    expect(() => nodePatch(node({ 't/zone': 'y' }), 'd', info)).toThrow(
      'detected topology value collision: driver reported "t/zone":"z" but existing label is "t/zone":"y"',
    );
  });

  test('withDriver() and withoutStale() keep one entry a driver', () => {
    expect(withDriver(csiNode(), 'd', info).spec.drivers).toEqual([entry]);
    expect(withDriver(csiNode(entry), 'd', info)).toEqual(csiNode(entry));
    expect(withDriver(csiNode(), 'd', { nodeId: 'i' }).spec.drivers).toEqual([{ name: 'd', nodeID: 'i' }]);
    expect(withoutStale(csiNode({ ...entry, allocatable: { count: 1 } }), 'd', info).spec.drivers).toHaveLength(1);
    expect(withoutStale(csiNode({ ...entry, nodeID: 'old' }), 'd', info).spec.drivers).toEqual([]);
  });

  test('withoutNodeId() takes away the last one whole', () => {
    expect(withoutNodeId(node({}, '{"x":"y","d":"i"}'), 'd')).toBe('{"x":"y"}');
    expect(withoutNodeId(node({}, '{"d":"i"}'), 'd')).toBeNull();
    expect(withoutNodeId(node({}, '{"x":"y"}'), 'd')).toBeUndefined();
  });
});

test.each([
  ['grown by its resizer', '1Gi', '2Gi', undefined, '2Gi'],
  ['as large as it was', '1Gi', '1024Mi', undefined, undefined],
  ['given up', '1Gi', '2Gi', 'NodeResizeInfeasible', undefined],
])('growthDue() %s', (_name, has, wanted, status, expected) => {
  const claim = {
    metadata: {},
    spec: {},
    status: {
      phase: 'Bound',
      capacity: { storage: has },
      conditions: [{ type: 'FileSystemResizePending', status: 'True' }],
      ...(status === undefined ? {} : { allocatedResourceStatuses: { storage: status } }),
    },
  };
  expect(growthDue(claim, { metadata: {}, spec: { capacity: { storage: wanted } } })).toBe(expected);
  expect(grownStatus(claim, '2Gi')).toEqual({
    capacity: { storage: '2Gi' },
    conditions: [{ $patch: 'delete', type: 'FileSystemResizePending' }],
    allocatedResourceStatuses: { storage: null },
  });
});

test('volumeUsage() takes sizes beyond what a number holds', () => {
  const usage = [
    { unit: Unit.BYTES, total: 2n ** 63n - 1n, available: 1n, used: 2n },
    { unit: Unit.INODES, total: 3n, available: 1n, used: 2n },
  ];
  expect(volumeUsage({ usage, volumeCondition: { abnormal: true, message: 'bad' } })).toEqual({
    capacityBytes: Number(2n ** 63n - 1n),
    availableBytes: 1,
    usedBytes: 2,
    inodes: 3,
    inodesFree: 1,
    inodesUsed: 2,
    abnormal: true,
  });
});

test.each([
  ['asks for more', '1Gi', '2Gi', [], true],
  ['has what it asks for', '2Gi', '2Gi', [], false],
  ['has its resizer’s word', '2Gi', '2Gi', [{ type: 'FileSystemResizePending', status: 'True' }], true],
])('mayGrow() of a claim that %s', (_name, has, wanted, conditions, expected) => {
  const spec = { resources: { requests: { storage: wanted } } };
  expect(mayGrow({ metadata: {}, spec, status: { capacity: { storage: has }, conditions } })).toBe(expected);
});
