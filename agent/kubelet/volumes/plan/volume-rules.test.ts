import { describe, expect, test } from '@jest/globals';
import type { Container, PersistentVolumeSpec, Pod } from '../../../../proto/api/core-v1.ts';
import { isForOnePod, modeProblem } from './claim-rules.ts';
import { hugePageSize, memoryVolumeBytes } from './empty-dir-medium.ts';
import { imageVolumesRefused } from './image-volume-support.ts';
import { refusal } from './volume-refusal.ts';

const MI = 1024 * 1024;

function pod(...containers: Partial<Container>[]): Pod {
  return { metadata: { name: 'p' }, spec: { containers: containers.map((c, i) => ({ name: `c${i}`, ...c })) } };
}
const limited = (memory: string): Partial<Container> => ({ resources: { limits: { memory } } });

test.each([
  { what: 'the node bounds it', of: pod({}), sizeLimit: undefined, want: 100 },
  { what: 'its own limit', of: pod({}), sizeLimit: '8Mi', want: 8 },
  {
    what: 'the pod, if all its containers are limited',
    of: pod(limited('10Mi'), limited('20Mi')),
    sizeLimit: '1Gi',
    want: 30,
  },
  {
    what: 'not a pod with a container that may take all',
    of: pod(limited('10Mi'), {}),
    sizeLimit: undefined,
    want: 100,
  },
  { what: 'no limit is no bound', of: pod({}), sizeLimit: '0', want: 100 },
])('memoryVolumeBytes(): $what', ({ of, sizeLimit, want }) => {
  expect(memoryVolumeBytes(of, sizeLimit, { memory: '100Mi' })).toBe(want * MI);
});

describe('hugePageSize()', () => {
  const asking = (...names: string[]): Pod =>
    pod({ resources: { limits: Object.fromEntries(names.map(name => [name, '4Mi'])) } });

  test.each([
    { medium: 'HugePages', names: ['hugepages-2Mi', 'memory'], want: '2Mi' },
    { medium: 'HugePages-1Gi', names: ['hugepages-2Mi', 'hugepages-1Gi'], want: '1Gi' },
  ])('of $medium with $names', ({ medium, names, want }) => {
    expect(hugePageSize(asking(...names), medium)).toBe(want);
  });

  test.each([
    { medium: 'HugePages', names: ['memory'], why: 'there is no resource request for huge pages' },
    { medium: 'HugePages', names: ['hugepages-2Mi', 'hugepages-1Gi'], why: 'multiple huge page sizes' },
    { medium: 'HugePages-1Gi', names: ['hugepages-2Mi'], why: 'no container of the pod requests hugepages-1Gi' },
  ])('refuses $medium with $names', ({ medium, names, why }) => {
    expect(() => hugePageSize(asking(...names), medium)).toThrow(why);
  });
});

test.each<{ volumeMode?: string; use: Partial<Container>; want: string | undefined }>([
  { use: { volumeMounts: [{ name: 'v', mountPath: '/v' }] }, want: undefined },
  { volumeMode: 'Block', use: { volumeDevices: [{ name: 'v', devicePath: '/dev/v' }] }, want: undefined },
  {
    volumeMode: 'Block',
    use: { volumeMounts: [{ name: 'v', mountPath: '/v' }] },
    want: 'volume v has volumeMode Block, but is specified in volumeMounts',
  },
  {
    volumeMode: 'Filesystem',
    use: { volumeDevices: [{ name: 'v', devicePath: '/dev/v' }] },
    want: 'volume v has volumeMode Filesystem, but is specified in volumeDevices',
  },
])('modeProblem() of $volumeMode: $want', ({ volumeMode, use, want }) => {
  expect(modeProblem(pod(use), 'v', { volumeMode })).toBe(want);
});

test.each([
  { accessModes: ['ReadWriteOncePod'], want: true },
  { accessModes: ['ReadWriteOncePod', 'ReadWriteOnce'], want: false },
  { accessModes: ['ReadWriteOnce'], want: false },
])('isForOnePod() of $accessModes: $want', ({ accessModes, want }) => {
  expect(isForOnePod({ accessModes } as PersistentVolumeSpec)).toBe(want);
});

test.each([
  ['containerd', 'v2.1.9', 'whole', true],
  ['containerd', 'v2.1.9', 'part', false],
  ['containerd', '2.2.0', 'part', true],
  ['containerd', '2.0.5', 'whole', false],
  ['containerd', '1.6.20~ds1', 'whole', false],
  ['cri-o', '1.31.0', 'whole', true],
  ['cri-o', '1.32.1', 'part', false],
  ['another', '0.1', 'part', true],
] as const)('imageVolumesRefused() by %s %s, %s: can %p', (name, version, use, can) => {
  const refused = imageVolumesRefused(name, version, use);
  if (can) expect(refused).toBeUndefined();
  else expect(refused).toMatch(`${name} ${version} cannot mount ${use === 'whole' ? 'images' : 'parts of images'}`);
});

test('refusal() names the kind and what to use instead', () => {
  expect(refusal({ name: 'a', iscsi: { targetPortal: 't', iqn: 'i', lun: 0 } }, undefined)).toMatch(
    /kind iscsi .*CSI driver/,
  );
  expect(refusal({ name: 'a', gitRepo: { repository: 'r' } }, undefined)).toMatch(/kind gitRepo .*init container/);
  const spec: PersistentVolumeSpec = { capacity: { storage: '1' }, volumeMode: 'Filesystem', fc: {} };
  expect(refusal({ name: 'a', persistentVolumeClaim: { claimName: 'c' } }, spec)).toContain('kind fc');
});
