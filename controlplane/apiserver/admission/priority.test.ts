import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { PriorityClass } from '../../../proto/api/scheduling-v1.ts';
import { startServer, type RunningServer } from '../testdata/running-server.ts';

const CLASSES = '/apis/scheduling.k8s.io/v1/priorityclasses';
const PODS = '/api/v1/namespaces/default/pods';
let running: RunningServer;
const post = (path: string, body: object) => running.admin.call({ method: 'POST', path, body });
const pod = async (name: string, spec: object): Promise<Pod['spec']> => {
  const containers = [{ name: 'c', image: 'x' }];
  return ((await post(PODS, { metadata: { name }, spec: { ...spec, containers } })) as Pod).spec;
};

beforeAll(async () => {
  running = await startServer({ serviceCIDR: '10.96.0.0/16' });
  await post('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
});
afterAll(() => running.stop());

test('pods get the priority and the policy of their class, or of the one default', async () => {
  expect(await pod('plain', {})).toMatchObject({ priority: 0, preemptionPolicy: 'PreemptLowerPriority' });
  await post(CLASSES, { metadata: { name: 'usual' }, value: 7, globalDefault: true });
  await post(CLASSES, { metadata: { name: 'meek' }, value: 9, preemptionPolicy: 'Never' });
  expect(await pod('usual', {})).toMatchObject({ priorityClassName: 'usual', priority: 7 });
  const meek = { priorityClassName: 'meek', priority: 9, preemptionPolicy: 'Never' };
  expect(await pod('meek', { priorityClassName: 'meek' })).toMatchObject(meek);
});

test.each([
  [{ priorityClassName: 'none' }, 'no PriorityClass with name none was found'],
  [
    { priorityClassName: 'meek', priority: 3 },
    'the integer value of priority (3) must not be provided in pod spec; priority admission controller computed 9 from the given PriorityClass name',
  ],
  [
    { priorityClassName: 'meek', preemptionPolicy: 'PreemptLowerPriority' },
    'the string value of PreemptionPolicy (PreemptLowerPriority) must not be provided in pod spec; priority admission controller computed Never from the given PriorityClass name',
  ],
])('%j is refused', async (spec, why) => {
  await expect(pod('refused', spec)).rejects.toThrow(`pods "refused" is forbidden: ${why}`);
});

test('a second default is refused, the first may be written again', async () => {
  const why = 'PriorityClass usual is already marked as default. Only one default can exist';
  const second = { metadata: { name: 'other' }, value: 1, globalDefault: true } as PriorityClass;
  await expect(post(CLASSES, second)).rejects.toThrow(why);
  const body = { description: 'still' };
  const contentType = 'application/merge-patch+json';
  const path = `${CLASSES}/usual`;
  expect(await running.admin.call({ method: 'PATCH', path, body, contentType })).toMatchObject(body);
});
