/** What must hold is upstream's (devicemanager/manager_test.go, topology_hints_test.go). */
import { describe, expect, test } from '@jest/globals';
import { containerOf, machineOf, podOf } from '../testdata/machines.ts';
import { readDeviceCheckpoint, writeDeviceCheckpoint } from './device-checkpoint.ts';
import { beginChoice, deviceHints, endChoice, type DeviceView } from './device-choice.ts';
import { resourceHints } from './device-hints.ts';
import {
  checkGrant,
  deviceAmounts,
  deviceLimit,
  freeDevices,
  groupByNode,
  NOWHERE,
  reusableDevices,
  withGrant,
  type DeviceGrants,
  type DeviceResource,
} from './device-state.ts';
import { maskOf, nodesOf } from './numa-mask.ts';

const GPU = 'example.com/gpu';
const device = (id: string, nodes: readonly number[] = [], healthy = true): DeviceView => ({ id, healthy, nodes });
const resourceOf = (devices: readonly DeviceView[], connected = true): DeviceResource => ({
  devices: new Map(devices.map(one => [one.id, one])),
  connected,
});
const answer = { envs: { A: 'b' }, mounts: [], devices: [], annotations: {}, cdiDevices: [] };
const grant = (...ids: string[]) => ({ byNode: new Map([[NOWHERE, ids]]), response: answer });

describe('beginChoice() and endChoice()', () => {
  const free = [device('a', [0]), device('b', [0]), device('c', [1]), device('d')];
  const wish = { free, reusable: [], nodes: undefined };

  test('what may be used again comes first', () => {
    const choice = beginChoice({ ...wish, count: 2, reusable: ['x', 'y', 'z'] });
    expect(endChoice(choice, [])).toEqual(['x', 'y']);
    expect(choice.isOpen).toBe(false);
  });

  test('what is near before what is not; the plugin chooses among the near ones', () => {
    const choice = beginChoice({ ...wish, count: 1, nodes: maskOf([0]) });
    expect(choice).toMatchObject({ sure: [], candidates: ['a', 'b'], isOpen: true });
    expect(endChoice(choice, ['c', 'b'])).toEqual(['b']);
    expect(endChoice(choice, [])).toEqual(['a']);
  });

  test('all that is near, and the plugin chooses among the others', () => {
    const choice = beginChoice({ ...wish, count: 3, nodes: maskOf([0]) });
    expect(choice).toMatchObject({ sure: ['a', 'b'], missing: 1, candidates: ['c', 'd'], isOpen: true });
    expect(endChoice(choice, ['d'])).toEqual(['a', 'b', 'd']);
    expect(endChoice(choice, [])).toEqual(['a', 'b', 'c']);
  });

  test('nothing is left to choose where all are needed', () => {
    expect(beginChoice({ ...wish, count: 4 })).toMatchObject({ missing: 4, isOpen: false });
  });
});

describe('deviceHints()', () => {
  const { nodes } = machineOf({ sockets: 2, nodesPerSocket: 1, coresPerNode: 1, threads: 1 });
  const all = [device('a', [0]), device('b', [0]), device('c', [1])];
  const hintsOf = (count: number, free: readonly DeviceView[], mustHave: readonly DeviceView[] = []) =>
    deviceHints(nodes, count, all, free, mustHave)?.map(
      ({ nodes: mask = 0, preferred }) => `${nodesOf(mask).join('')}${preferred ? '+' : ''}`,
    );

  test.each<[string, number, readonly DeviceView[], string[]]>([
    ['one of all', 1, all, ['0+', '1+', '01']],
    ['two of all', 2, all, ['0+', '01']],
    ['two where one node would do, but is in use', 2, all.slice(1), ['01']],
    ['more than are left', 3, all.slice(1), []],
  ])('%s', (_, count, free, want) => {
    expect(hintsOf(count, free)).toEqual(want);
  });

  test('what is used again must be part of it', () => {
    expect(hintsOf(2, all.slice(0, 2), all.slice(2))).toEqual(['01']);
  });

  test('devices that lie nowhere do not matter', () => {
    expect(deviceHints(nodes, 1, [device('x')], [device('x')], [])).toBeUndefined();
  });
});

describe('resourceHints()', () => {
  const { nodes } = machineOf({ sockets: 2, nodesPerSocket: 1, coresPerNode: 1, threads: 1 });
  const resource = resourceOf([device('a', [0]), device('b', [0]), device('c', [1])]);
  const pod = podOf('u', [containerOf('x', { [GPU]: '1' }), containerOf('y', { [GPU]: '1' })]);
  const told = (grants: DeviceGrants, container?: string) =>
    resourceHints(
      nodes,
      grants,
      GPU,
      resource,
      pod,
      pod.spec.containers.find(({ name }) => name === container),
    )?.map(({ nodes: mask = 0, preferred }) => `${nodesOf(mask).join('')}${preferred ? '+' : ''}`);

  test('of a container count its own devices, of a pod all', () => {
    expect(told(new Map(), 'x')).toEqual(['0+', '1+', '01']);
    expect(told(new Map())).toEqual(['0+', '01']);
  });

  test('who has his devices keeps them where they are', () => {
    const grants = withGrant(new Map(), 'u', 'x', GPU, grant('c'));
    expect(told(grants, 'x')).toEqual(['1+', '01']);
    // Of a pod that has only a part there is nothing to choose.
    expect(told(grants)).toEqual([]);
  });
});

describe('whose devices are', () => {
  const resource = resourceOf([device('a'), device('b', [1]), device('c', [], false), device('d')]);
  const grants: DeviceGrants = withGrant(new Map(), 'u', 'first', GPU, grant('a'));
  const pod = podOf('u', [containerOf('main', { [GPU]: '1' })], [containerOf('first', { [GPU]: '1' })]);

  test('free is what is healthy and nobody has', () => {
    expect(freeDevices(resource, grants, GPU).map(({ id }) => id)).toEqual(['b', 'd']);
  });

  test('init containers leave theirs to the next, once', () => {
    expect(reusableDevices(grants, pod, GPU)).toEqual(['a']);
    expect(reusableDevices(withGrant(grants, 'u', 'main', GPU, grant('a')), pod, GPU)).toEqual([]);
    expect(withGrant(grants, 'u', 'first', GPU, undefined).size).toBe(0);
  });

  test('devices that lie nowhere are told apart', () => {
    expect([...groupByNode(['a', 'b'], resource)]).toEqual([
      [NOWHERE, ['a']],
      [1, ['b']],
    ]);
  });

  test.each<[string, number, DeviceResource, string | undefined]>([
    ['healthy ones', 1, resource, undefined],
    [
      'another number',
      2,
      resource,
      'pod "u" container "first" changed request for resource "example.com/gpu" from 1 to 2',
    ],
    [
      'a plugin that is away',
      1,
      resourceOf([device('a')], false),
      'no healthy devices present; cannot allocate unhealthy devices example.com/gpu',
    ],
    [
      'one that became ill',
      1,
      resourceOf([device('a', [], false), device('b')]),
      'previously allocated devices are no longer healthy; cannot allocate unhealthy devices example.com/gpu',
    ],
  ])('checkGrant() %s', (_, count, known, want) => {
    const check = (): void => checkGrant(pod, 'first', GPU, count, grant('a'), known);
    if (want === undefined) expect(check).not.toThrow();
    else expect(check).toThrow(want);
  });

  test('deviceAmounts() counts ill ones as capacity, and nothing as allocatable while the plugin is away', () => {
    const away = resourceOf([device('a')], false);
    expect(
      deviceAmounts(
        new Map([
          [GPU, resource],
          ['example.com/x', away],
        ]),
      ),
    ).toEqual({
      capacity: { [GPU]: '4', 'example.com/x': '1' },
      allocatable: { [GPU]: '3', 'example.com/x': '0' },
    });
  });

  test("the checkpoint has upstream's form, without what a plugin has not answered", () => {
    const pending = withGrant(grants, 'u', 'main', GPU, { ...grant('b'), response: undefined });
    const text = writeDeviceCheckpoint(pending, new Map([[GPU, resource]]));
    expect(JSON.parse(text)).toMatchObject({
      Data: {
        PodDeviceEntries: [
          {
            PodUID: 'u',
            ContainerName: 'first',
            ResourceName: GPU,
            DeviceIDs: { [NOWHERE]: ['a'] },
            AllocResp: 'CgYKAUESAWI=',
          },
        ],
        RegisteredDevices: { [GPU]: ['a', 'b', 'd'] },
      },
      Checksum: expect.any(Number),
    });
    expect(readDeviceCheckpoint(text)).toEqual({ grants, resources: [GPU] });
    expect(() => readDeviceCheckpoint(text.replace('"a"', '"b"'))).toThrow('checkpoint is corrupted');
  });

  test('deviceLimit() reads quantities', () => {
    expect(deviceLimit(containerOf('x', { [GPU]: '1k' }), GPU)).toBe(1000);
    expect(deviceLimit(containerOf('x', {}), GPU)).toBe(0);
  });
});
