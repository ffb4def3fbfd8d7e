import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Deployment, ReplicaSet } from '../../../../proto/api/apps-v1.ts';
import {
  fencepostsOf,
  maxReplicasOf,
  newSetReplicas,
  planRolling,
  planScale,
  replicasOf,
  type Resize,
} from './sizes.ts';

function deployment(replicas: number, maxSurge: string | number, maxUnavailable: string | number): Deployment {
  return {
    metadata: { name: 'd' },
    spec: { replicas, template: {}, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } } },
  } as Deployment;
}

function set(name: string, replicas: number, available: number, annotations: Record<string, string> = {}): ReplicaSet {
  return {
    metadata: { name, annotations, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { replicas },
    status: { replicas, availableReplicas: available },
  };
}

const show = (resizes: readonly Resize[]) => Object.fromEntries(resizes.map(r => [r.set.metadata.name, r.replicas]));

describe('fencepostsOf()', () => {
  test.each([
    { replicas: 10, surge: '25%', unavailable: '25%', want: { surge: 3, unavailable: 2 } },
    { replicas: 1, surge: '25%', unavailable: '25%', want: { surge: 1, unavailable: 0 } },
    { replicas: 10, surge: 0, unavailable: '1%', want: { surge: 0, unavailable: 1 } },
    { replicas: 3, surge: 0, unavailable: 5, want: { surge: 0, unavailable: 3 } },
  ])('$replicas with $surge and $unavailable', ({ replicas, surge, unavailable, want }) => {
    expect(fencepostsOf(deployment(replicas, surge, unavailable))).toEqual(want);
  });
});

describe('planScale()', () => {
  const remember = { 'deployment.kubernetes.io/desired-replicas': '10', 'deployment.kubernetes.io/max-replicas': '13' };

  test('shares growth in the middle of a rollout by size', () => {
    // kubernetes.io/docs, "Proportional scaling": 10 with surge 3, 5 new and 8 old, scaled to 15.
    const resizes = planScale(deployment(15, 3, 2), set('new', 5, 0, remember), [set('old', 8, 8, remember)]);
    expect(show(resizes)).toEqual({ new: 7, old: 11 });
  });

  test('scales the only active set plainly', () => {
    expect(show(planScale(deployment(7, 1, 1), set('new', 3, 3), [set('old', 0, 0)]))).toEqual({ new: 7 });
    expect(show(planScale(deployment(0, 1, 1), set('new', 3, 3), []))).toEqual({ new: 0 });
  });

  test('a rollout can go down to nothing', () => {
    expect(show(planScale(deployment(0, 3, 2), set('new', 5, 0, remember), [set('old', 8, 8, remember)]))).toEqual({
      new: 0,
      old: 0,
    });
  });
});

test('planRolling() ends every rollout and never leaves its fence', () => {
  const sizes = fc.record({
    replicas: fc.nat(20),
    surge: fc.nat(10),
    unavailable: fc.nat(10),
    old: fc.array(fc.nat(20), { minLength: 1, maxLength: 3 }),
  });
  fc.assert(
    fc.property(
      sizes,
      fc.infiniteStream(fc.double({ min: 0, max: 1, noNaN: true })),
      ({ replicas, surge, unavailable, old }, luck) => {
        const d = deployment(replicas, surge, unavailable);
        const fence = fencepostsOf(d);
        let sets = [set('new', 0, 0), ...old.map((n, i) => set(`old${i}`, n, n))];
        for (let step = 0; step < 400; step++) {
          const [next, ...olds] = sets;
          if (next === undefined) throw new Error('unreachable');
          const before = sets.reduce((sum, s) => sum + replicasOf(s), 0);
          const available = sets.reduce((sum, s) => sum + (s.status?.availableReplicas ?? 0), 0);
          const resizes = new Map(planRolling(d, next, olds).map(r => [r.set, r.replicas]));
          const wasDone = resizes.size === 0 && sets.every(s => s.status?.availableReplicas === replicasOf(s));
          if (wasDone) break;
          sets = sets.map(s => {
            const size = resizes.get(s) ?? replicasOf(s);
            return set(s.metadata.name ?? '', size, Math.min(size, s.status?.availableReplicas ?? 0));
          });
          const after = sets.reduce((sum, s) => sum + replicasOf(s), 0);
          expect(after).toBeLessThanOrEqual(Math.max(before, maxReplicasOf(d)));
          const left = sets.reduce((sum, s) => sum + (s.status?.availableReplicas ?? 0), 0);
          expect(left).toBeGreaterThanOrEqual(Math.min(available, replicas - fence.unavailable));
          // Some of the missing pods become available.
          sets = sets.map(s => {
            const ready = s.status?.availableReplicas ?? 0;
            return set(
              s.metadata.name ?? '',
              replicasOf(s),
              ready + Math.ceil((replicasOf(s) - ready) * luck.next().value),
            );
          });
          if (step > 300) sets = sets.map(s => set(s.metadata.name ?? '', replicasOf(s), replicasOf(s)));
        }
        expect(sets.map(replicasOf)).toEqual([replicas, ...old.map(() => 0)]);
      },
    ),
  );
});

test('newSetReplicas() uses the room that is left', () => {
  expect(newSetReplicas(deployment(10, 3, 2), [set('old', 10, 10)], 0)).toBe(3);
  expect(newSetReplicas(deployment(10, 3, 2), [set('old', 13, 10)], 0)).toBe(0);
  expect(newSetReplicas(deployment(10, 0, 2), [], 0)).toBe(10);
});
