import { expect, test } from '@jest/globals';
import type { PodSpec } from '../../../../proto/api/core-v1.ts';
import { podNameWarnings, podSpecWarnings } from './pod-spec-warnings.ts';

const container = { name: 'c', image: 'x' };

test.each([
  [{}, []],
  [
    { nodeSelector: { 'beta.kubernetes.io/os': 'linux' } },
    ['spec.nodeSelector[beta.kubernetes.io/os]: deprecated since v1.14; use "kubernetes.io/os" instead'],
  ],
  [{ volumes: [{ name: 'v', gitRepo: { repository: 'x' } }] }, ['spec.volumes[0].gitRepo: deprecated in v1.11']],
  [
    { imagePullSecrets: [{ name: 'a' }, { name: 'a' }, {}] },
    ['spec.imagePullSecrets[1].name: duplicate name "a"', 'spec.imagePullSecrets[2].name: invalid empty name ""'],
  ],
  [{ hostAliases: [{ ip: '1.1.1.1' }, { ip: '1.1.1.1' }] }, ['spec.hostAliases[1].ip: duplicate ip "1.1.1.1"']],
  [
    { terminationGracePeriodSeconds: -1 },
    ['spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1'],
  ],
  [
    {
      containers: [
        {
          ...container,
          env: [
            { name: 'A', value: 'a' },
            { name: 'A', value: '$(A)b' },
            { name: 'A', value: 'c' },
          ],
        },
      ],
    },
    ['spec.containers[0].env[2]: hides previous definition of "A", which may be dropped when using apply'],
  ],
])('podSpecWarnings() of %j', (spec, expected) => {
  expect(podSpecWarnings({ containers: [container], ...spec } as PodSpec, 'spec')).toEqual(expected);
});

test('podNameWarnings() recommends a DNS label', () => {
  expect(podNameWarnings('a')).toEqual([]);
  expect(podNameWarnings('a.b')).toHaveLength(1);
});
