import { describe, expect, test } from '@jest/globals';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { PodDisruptionBudget, PodDisruptionBudgetStatus } from '../../../proto/api/policy-v1.ts';
import { formatTime } from '../../../machinery/meta/time.ts';
import { failSafeStatus, planBudget, staleDisruptionMs } from './plan.ts';

const NOW_MS = Date.parse('2026-01-01T00:10:00Z');
const agoSeconds = (seconds: number): string => formatTime(NOW_MS - seconds * 1000);

function pods(ready: number, notReady = 0): Pod[] {
  return Array.from({ length: ready + notReady }, (_, i) => ({
    metadata: { name: `p${i}`, namespace: 'default' },
    spec: { containers: [] },
    status: {
      phase: 'Running',
      conditions: [{ type: 'Ready', status: i < ready ? 'True' : 'False' }],
    },
  }));
}

function budget(spec: PodDisruptionBudget['spec'], status?: Partial<PodDisruptionBudgetStatus>): PodDisruptionBudget {
  return {
    metadata: { name: 'b', generation: 3 },
    spec,
    status: status as PodDisruptionBudgetStatus | undefined,
  };
}

describe('planBudget()', () => {
  test.each([
    // spec, ready, not ready, expected scale -> allowed, desired, expected
    [{ minAvailable: 2 }, 3, 0, 0, 1, 2, 3],
    [{ minAvailable: 2 }, 2, 1, 0, 0, 2, 3],
    [{ minAvailable: 5 }, 3, 0, 0, 0, 5, 3],
    [{ minAvailable: '50%' }, 3, 0, 5, 0, 3, 5],
    [{ minAvailable: '50%' }, 4, 0, 5, 1, 3, 5],
    [{ maxUnavailable: 1 }, 3, 0, 3, 1, 2, 3],
    [{ maxUnavailable: 1 }, 2, 1, 3, 0, 2, 3],
    [{ maxUnavailable: '34%' }, 3, 0, 3, 2, 1, 3],
    [{ maxUnavailable: 9 }, 3, 0, 3, 3, 0, 3],
    [{ maxUnavailable: 1 }, 0, 0, 0, 0, 0, 0],
    [{}, 2, 0, 0, 2, 0, 2],
  ])('%j with %i ready, %i not ready of %i', (spec, ready, notReady, scale, allowed, desiredHealthy, expectedPods) => {
    const { status } = planBudget(budget(spec), pods(ready, notReady), scale, NOW_MS);
    expect(status).toMatchObject({
      disruptionsAllowed: allowed,
      desiredHealthy,
      expectedPods,
      currentHealthy: ready,
      observedGeneration: 3,
      conditions: [{ type: 'DisruptionAllowed', status: allowed > 0 ? 'True' : 'False' }],
    });
  });

  test('counts a pod out that may just have been evicted, until it is gone or two minutes have passed', () => {
    const disruptedPods = { p0: agoSeconds(30), p1: agoSeconds(121), gone: agoSeconds(1) };
    const plan = planBudget(budget({ minAvailable: 1 }, { disruptedPods }), pods(3), 0, NOW_MS);
    expect(plan.status).toMatchObject({
      currentHealthy: 2,
      disruptionsAllowed: 1,
      disruptedPods: { p0: agoSeconds(30) },
    });
    expect(plan.notDeleted.map(pod => pod.metadata.name)).toEqual(['p1']);
    expect(plan.afterMs).toBe(90_000);
  });
});

test('failSafeStatus() allows nothing and says why', () => {
  const status = failSafeStatus(budget({ maxUnavailable: 1 }, { disruptionsAllowed: 4 }), 'no controllers', NOW_MS);
  expect(status).toMatchObject({
    disruptionsAllowed: 0,
    conditions: [{ status: 'False', reason: 'SyncFailed', message: 'no controllers' }],
  });
});

test('staleDisruptionMs() knows pods that were marked and live on', () => {
  const [pod] = pods(1);
  const marked = (status: 'True' | 'False', sinceSeconds: number, deletionTimestamp?: string): Pod =>
    ({
      ...pod,
      metadata: { deletionTimestamp },
      status: { conditions: [{ type: 'DisruptionTarget', status, lastTransitionTime: agoSeconds(sinceSeconds) }] },
    }) as Pod;
  expect(staleDisruptionMs(marked('True', 20), NOW_MS)).toBe(100_000);
  expect(staleDisruptionMs(marked('True', 200), NOW_MS)).toBe(-80_000);
  expect(staleDisruptionMs(marked('False', 20), NOW_MS)).toBeUndefined();
  expect(staleDisruptionMs(marked('True', 20, agoSeconds(1)), NOW_MS)).toBeUndefined();
});
