import { expect, test } from '@jest/globals';
import { deepCopy } from '../../../../machinery/meta/json-value.ts';
import type { Pod } from '../../../../proto/api/core-v1.ts';
import { podStrategy } from './pod.ts';
import { podResize } from './pod-subresources.ts';

const CONTEXT = { nowMs: 0, user: { name: 'u', groups: [] }, dryRun: false };

function running(): Pod {
  const pod: Pod = {
    metadata: { name: 'p', namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'registry.example/app:1', resources: { limits: { cpu: '1' } } }] },
  };
  podStrategy.default?.(pod);
  return pod;
}

test('podResize.validateUpdate() refuses a change, since no node carries it out', () => {
  const older = running();
  const wanted = deepCopy(older);
  for (const container of wanted.spec.containers)
    container.resources = { limits: { cpu: '2' }, requests: { cpu: '2' } };
  podResize.prepareForUpdate(wanted, older, CONTEXT);
  expect((podResize.validateUpdate?.(wanted, older) ?? []).map(String)).toEqual([
    'spec: Forbidden: nodes of this cluster cannot resize containers that run; replace the pod',
  ]);
});

test('podResize.validateUpdate() takes what changes nothing', () => {
  const older = running();
  const wanted = deepCopy(older);
  podResize.prepareForUpdate(wanted, older, CONTEXT);
  expect(podResize.validateUpdate?.(wanted, older)).toEqual([]);
});
