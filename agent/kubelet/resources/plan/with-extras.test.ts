import { expect, test } from '@jest/globals';
import { Buffer } from 'node:buffer';
import type { ContainerConfig } from '../../../../proto/cri/runtime.gen.ts';
import { withAllocated } from './allocated-status.ts';
import { cdiRefused, withExtras, type ContainerExtras } from './with-extras.ts';

const none: ContainerExtras = {
  devices: [],
  mounts: [],
  env: new Map(),
  annotations: {},
  cdiDevices: [],
  cpusetCpus: '',
  cpusetMems: '',
  ownsCpus: false,
};
const config: ContainerConfig = {
  envs: [{ key: 'A', value: Buffer.from('spec') }],
  mounts: [{ containerPath: '/a', hostPath: '/spec' }],
  devices: [{ containerPath: '/dev/block' }],
  annotations: { a: 'spec' },
  linux: { resources: { cpuQuota: 100_000n, cpuShares: 1024n } },
};

test('withExtras() changes nothing of a container that was given nothing', () => {
  const { CDIDevices, linux, ...rest } = withExtras(config, none);
  const { linux: before, ...wanted } = config;
  expect(rest).toEqual(wanted);
  expect(CDIDevices).toEqual([]);
  expect(linux?.resources).toEqual({ ...before?.resources, cpusetCpus: '', cpusetMems: '' });
});

test('withExtras() adds what plugins want; where the spec says something of the same, the spec wins', () => {
  const made = withExtras(config, {
    ...none,
    devices: [{ containerPath: '/dev/x' }],
    mounts: [{ containerPath: '/a' }, { containerPath: '/b' }],
    env: new Map([
      ['A', 'plugin'],
      ['B', 'plugin'],
    ]),
    annotations: { a: 'plugin', b: 'plugin' },
    cdiDevices: [{ name: 'v/c=1' }],
  });
  expect(made.devices).toEqual([{ containerPath: '/dev/x' }, { containerPath: '/dev/block' }]);
  expect(made.mounts).toEqual([{ containerPath: '/b' }, { containerPath: '/a', hostPath: '/spec' }]);
  expect(made.envs?.map(({ key, value }) => `${key}=${String(value)}`)).toEqual(['B=plugin', 'A=spec']);
  expect(made.annotations).toEqual({ a: 'spec', b: 'plugin' });
  expect(made.CDIDevices).toEqual([{ name: 'v/c=1' }]);
});

test('withExtras() holds nobody back from processors of his own', () => {
  const made = withExtras(config, { ...none, cpusetCpus: '2-3', cpusetMems: '1', ownsCpus: true });
  expect(made.linux?.resources).toEqual({ cpuQuota: -1n, cpuShares: 1024n, cpusetCpus: '2-3', cpusetMems: '1' });
});

test.each([
  ['containerd', '1.6.20~ds1', true],
  ['containerd', 'v1.7.24', false],
  ['containerd', '2.1.9', false],
  ['cri-o', '1.30.0', false],
])('cdiRefused() %s %s: %s', (name, version, refused) => {
  expect(cdiRefused(name, version) !== undefined).toBe(refused);
});

test('withAllocated() tells of containers that have devices alone', () => {
  const status = {
    containerStatuses: ['a', 'b'].map(name => ({ name, image: '', imageID: '', ready: true, restartCount: 0 })),
  };
  const devices = [{ name: 'example.com/x', resources: [{ resourceID: '1', health: 'Healthy' }] }];
  const told = withAllocated(status, name => (name === 'b' ? devices : []));
  expect(told.containerStatuses?.map(one => one.allocatedResourcesStatus)).toEqual([undefined, devices]);
  expect(withAllocated(status, () => [])).toBe(status);
});
