import { expect, test } from '@jest/globals';
import type { LimitRange, LimitRangeItem, Pod, ResourceRequirements } from '../../../proto/api/core-v1.ts';
import { applyDefaults, podViolations } from './limit-ranger.ts';

const range = (item: LimitRangeItem): LimitRange => ({ metadata: { name: 'r' }, spec: { limits: [item] } });
const pod = (...resources: (ResourceRequirements | undefined)[]): Pod => ({
  metadata: { name: 'p' },
  spec: { containers: resources.map((own, i) => ({ name: `c${i}`, resources: own })) },
});

test('applyDefaults() fills in what is left open, and says so', () => {
  const subject = pod(undefined, { limits: { cpu: '1' }, requests: { cpu: '1' } });
  subject.spec.initContainers = [{ name: 'i', resources: { requests: { cpu: '2' } } }];
  applyDefaults(
    range({ type: 'Container', default: { cpu: '500m', memory: '1Gi' }, defaultRequest: { cpu: '100m' } }),
    subject,
  );
  expect(subject.spec.containers.map(c => c.resources)).toEqual([
    { limits: { cpu: '500m', memory: '1Gi' }, requests: { cpu: '100m' } },
    { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '1' } },
  ]);
  expect(subject.metadata.annotations).toEqual({
    'kubernetes.io/limit-ranger':
      'LimitRanger plugin set: cpu request for container c0; cpu, memory limit for container c0; memory limit for container c1; cpu, memory limit for init container i',
  });
});

test('applyDefaults() leaves a pod alone that says everything, and one that other kinds of limit are for', () => {
  const subject = pod({ limits: { cpu: '1' } });
  applyDefaults(range({ type: 'Container', default: { cpu: '2' } }), subject);
  applyDefaults(range({ type: 'Pod', max: { memory: '1Gi' } }), subject);
  expect(subject).toEqual(pod({ limits: { cpu: '1' } }));
});

test.each<[string, LimitRangeItem, Pod, string[]]>([
  [
    'a request below the minimum',
    { type: 'Container', min: { cpu: '100m' } },
    pod({ requests: { cpu: '50m' } }, { requests: { cpu: '0.1' } }, undefined),
    [
      'minimum cpu usage per Container is 100m, but request is 50m',
      'minimum cpu usage per Container is 100m.  No request is specified',
    ],
  ],
  [
    'a limit above the maximum, and none',
    { type: 'Container', max: { memory: '1Gi' } },
    pod({ limits: { memory: '2Gi' } }, {}, { limits: { memory: '1024Mi' } }),
    [
      'maximum memory usage per Container is 1Gi, but limit is 2Gi',
      'maximum memory usage per Container is 1Gi.  No limit is specified',
    ],
  ],
  [
    'the containers of a pod together',
    { type: 'Pod', max: { cpu: '2' } },
    pod({ limits: { cpu: '1500m' } }, { limits: { cpu: '600m' } }),
    ['maximum cpu usage per Pod is 2, but limit is 2100m'],
  ],
  [
    'what some containers of a pod limit together',
    { type: 'Pod', max: { memory: '2Gi' } },
    pod({ limits: { memory: '3Gi' } }, {}),
    ['maximum memory usage per Pod is 2Gi, but limit is 3Gi'],
  ],
  [
    'limits too far from requests',
    { type: 'Container', maxLimitRequestRatio: { cpu: '2' } },
    pod({ requests: { cpu: '1' }, limits: { cpu: '3' } }, { requests: { cpu: '1' }, limits: { cpu: '2' } }, {}),
    [
      'cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000',
      'cpu max limit to request ratio per Container is 2, but no request is specified or request is 0',
    ],
  ],
])('podViolations() names %s', (_name, item, subject, expected) => {
  expect(podViolations(range(item), subject)).toEqual(expected);
});
