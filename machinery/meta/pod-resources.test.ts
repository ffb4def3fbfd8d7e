import { expect, test } from '@jest/globals';
import type { ContainerStatus, Pod, PodStatus, ResourceList } from '../../proto/api/core-v1.ts';
import { podRequestsInUse } from './pod-resources.ts';

function pod(cpu: string, status: PodStatus, podLevel?: string): Pod {
  const resources = podLevel === undefined ? {} : { resources: { requests: { cpu: podLevel } } };
  return {
    metadata: {},
    spec: { containers: [{ name: 'c', resources: { requests: { cpu } } }], ...resources },
    status,
  };
}

const of = (allocatedResources?: ResourceList, requests?: ResourceList): PodStatus => ({
  containerStatuses: [{ name: 'c', allocatedResources, resources: { requests } } as ContainerStatus],
});
const INFEASIBLE = { conditions: [{ type: 'PodResizePending', status: 'True', reason: 'Infeasible' }] };
const DEFERRED = { conditions: [{ type: 'PodResizePending', status: 'True', reason: 'Deferred' }] };

test.each([
  ['nothing is told', pod('1', {}), 1000],
  ['as asked', pod('1', of({ cpu: '1' }, { cpu: '1' })), 1000],
  ['more is asked', pod('2', of({ cpu: '1' }, { cpu: '1' })), 2000],
  ['more is set aside', pod('1', of({ cpu: '2' }, { cpu: '1' })), 2000],
  ['it still has more', pod('1', of({ cpu: '1' }, { cpu: '3' })), 3000],
  ['it can never have more', pod('9', { ...of({ cpu: '1' }, { cpu: '1500m' }), ...INFEASIBLE }), 1500],
  ['it may have more later', pod('9', { ...of({ cpu: '1' }, { cpu: '1' }), ...DEFERRED }), 9000],
  ['the pod as a whole is told', pod('1', { allocatedResources: { cpu: '5' } }, '4'), 5000],
  ['the pod as a whole can never have more', pod('1', { allocatedResources: { cpu: '4' }, ...INFEASIBLE }, '8'), 4000],
])('podRequestsInUse(): %s', (_name, input, want) => {
  expect(podRequestsInUse(input).get('cpu')?.milliValue()).toBe(want);
});
