import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Transport } from '../../../machinery/client/transport.ts';
import type { StatusError } from '../../../machinery/meta/status-error.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { PodDisruptionBudget } from '../../../proto/api/policy-v1.ts';
import { startServer, type RunningServer } from '../testdata/running-server.ts';

const PODS = '/api/v1/namespaces/default/pods';
const BUDGETS = '/apis/policy/v1/namespaces/default/poddisruptionbudgets';
let running: RunningServer;
let admin: Transport;
let count = 0;
/** The pod of the running test, and its budgets. */
let name: string;

beforeAll(async () => {
  running = await startServer();
  admin = running.admin;
  await call('POST', '/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'default' } });
});

afterAll(() => running.stop());

beforeEach(() => {
  name = `p${++count}`;
});

const call = (method: 'GET' | 'POST' | 'PATCH', path: string, body?: unknown, query = {}): Promise<unknown> =>
  admin.call({ method, path, body, query, ...(method === 'PATCH' ? { contentType: MERGE } : {}) });
const MERGE = 'application/merge-patch+json';

async function makePod(phase = 'Running', ready = 'True'): Promise<void> {
  await call('POST', PODS, {
    metadata: { name, labels: { app: name } },
    spec: { nodeName: 'n', containers: [{ name: 'c', image: 'x' }] },
  });
  await call('PATCH', `${PODS}/${name}/status`, { status: { phase, conditions: [{ type: 'Ready', status: ready }] } });
}

/** @param status besides `disruptionsAllowed` and an observed generation */
async function makeBudget(
  disruptionsAllowed: number,
  spec: object = {},
  status: object = {},
  budget = name,
): Promise<void> {
  await call('POST', BUDGETS, {
    metadata: { name: budget },
    spec: { minAvailable: 1, selector: { matchLabels: { app: name } }, ...spec },
  });
  const observed = { observedGeneration: 1, disruptionsAllowed, currentHealthy: 1, desiredHealthy: 1, expectedPods: 1 };
  await call('PATCH', `${BUDGETS}/${budget}/status`, { status: { ...observed, ...status } });
}

const evict = (deleteOptions?: object, apiVersion = 'policy/v1', query = {}): Promise<unknown> =>
  call('POST', `${PODS}/${name}/eviction`, { apiVersion, kind: 'Eviction', metadata: { name }, deleteOptions }, query);
const refusal = (): Promise<StatusError> =>
  evict().then(
    () => Promise.reject(new Error('it succeeded')),
    (error: unknown) => error as StatusError,
  );
const pod = (): Promise<Pod> => call('GET', `${PODS}/${name}`) as Promise<Pod>;
const budget = (): Promise<PodDisruptionBudget> => call('GET', `${BUDGETS}/${name}`) as Promise<PodDisruptionBudget>;
const isGoing = (): Promise<boolean> =>
  pod().then(
    ({ metadata }) => metadata.deletionTimestamp !== undefined,
    () => true,
  );

describe('eviction', () => {
  test('deletes a pod without a budget, and says why in its status', async () => {
    await makePod();
    expect(await evict()).toMatchObject({ kind: 'Status', status: 'Success', code: 201 });
    const { metadata, status } = await pod();
    expect(metadata.deletionTimestamp).toBeDefined();
    expect(status?.conditions?.find(({ type }) => type === 'DisruptionTarget')).toMatchObject({
      status: 'True',
      reason: 'EvictionByEvictionAPI',
      message: 'Eviction API: evicting',
    });
  });

  test.each(['policy/v1', 'policy/v1beta1'])('takes bodies of %s', async apiVersion => {
    await makePod();
    await evict({ gracePeriodSeconds: 0 }, apiVersion);
    expect(await isGoing()).toBe(true);
  });

  test('takes one disruption from the budget and records the pod in it', async () => {
    await makePod();
    await makeBudget(1);
    await evict();
    const { status } = await budget();
    expect(status?.disruptionsAllowed).toBe(0);
    expect(Object.keys(status?.disruptedPods ?? {})).toEqual([name]);
    expect(await isGoing()).toBe(true);
  });

  test('is refused while the budget allows none, with what it would need', async () => {
    await makePod();
    await makeBudget(0);
    const error = await refusal();
    expect(error.code).toBe(429);
    expect(error.message).toBe("Cannot evict pod as it would violate the pod's disruption budget.");
    expect(error.details?.causes).toEqual([
      {
        reason: 'DisruptionBudget',
        message: `The disruption budget ${name} needs 1 healthy pods and has 1 currently`,
      },
    ]);
    expect(await isGoing()).toBe(false);
  });

  test('is put off until the controller has seen the budget', async () => {
    await makePod();
    await makeBudget(1, {}, { observedGeneration: 0 });
    const error = await refusal();
    expect(error.code).toBe(429);
    expect(error.details?.retryAfterSeconds).toBe(10);
    expect(error.details?.causes?.[0]?.message).toBe(
      `The disruption budget ${name} is still being processed by the server.`,
    );
  });

  test('does not support more than one budget', async () => {
    await makePod();
    await makeBudget(1);
    await makeBudget(1, {}, {}, `${name}-2`);
    const error = await refusal();
    expect(error.code).toBe(500);
    expect(error.message).toContain(
      'This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.',
    );
  });

  test.each([
    ['Pending', 'False'],
    ['Succeeded', 'False'],
    ['Failed', 'False'],
  ])('does not ask the budget for a pod that is %s', async (phase, ready) => {
    await makePod(phase, ready);
    await makeBudget(0);
    await evict();
    expect(await isGoing()).toBe(true);
    expect((await budget()).status?.disruptedPods).toBeUndefined();
  });

  test.each([
    // An application that is complete loses nothing by a pod that does not work.
    ['IfHealthyBudget', 1, true],
    ['IfHealthyBudget', 0, false],
    ['AlwaysAllow', 0, true],
  ])('of an unhealthy pod by %s with %i healthy ones: %s', async (policy, currentHealthy, allowed) => {
    await makePod('Running', 'False');
    await makeBudget(0, { unhealthyPodEvictionPolicy: policy }, { currentHealthy });
    if (allowed) await evict();
    else expect((await refusal()).code).toBe(429);
    expect(await isGoing()).toBe(allowed);
  });

  test.each([
    [{ dryRun: ['All'] }, {}],
    [{}, { dryRun: 'All' }],
  ])('as a dry run by options %j and query %j changes nothing', async (options, query) => {
    await makePod();
    await makeBudget(1);
    await evict(options, 'policy/v1', query);
    expect((await budget()).status?.disruptionsAllowed).toBe(1);
    expect(await isGoing()).toBe(false);
    expect((await pod()).status?.conditions).toHaveLength(1);
  });

  test('keeps preconditions', async () => {
    await makePod();
    await expect(evict({ preconditions: { uid: 'other' } })).rejects.toMatchObject({ code: 409 });
    expect(await isGoing()).toBe(false);
  });

  test('takes no other names and kinds', async () => {
    await makePod();
    const path = `${PODS}/${name}/eviction`;
    await expect(call('POST', path, { metadata: { name: 'x' } })).rejects.toMatchObject({ code: 400 });
    await expect(call('POST', path, { kind: 'Pod', metadata: { name } })).rejects.toMatchObject({ code: 400 });
  });
});
