import { describe, expect, test } from '@jest/globals';
import type { Pod, Service } from '../../../proto/api/core-v1.ts';
import { planEndpoints } from './plan.ts';

const service = (spec: Partial<Service['spec']> = {}): Service => ({
  metadata: { name: 'web', namespace: 'd', uid: 's' },
  spec: { selector: { app: 'web' }, ipFamilies: ['IPv4'], ports: [{ port: 80, targetPort: 'http' }], ...spec },
});

const pod = (n: number, { ready = true, port = 80, deleting = false } = {}): Pod => ({
  metadata: {
    name: `p${n}`,
    namespace: 'd',
    uid: `u${String(n).padStart(5, '0')}`,
    ...(deleting ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
  },
  spec: { nodeName: 'n', containers: [{ name: 'c', image: 'x', ports: [{ name: 'http', containerPort: port }] }] },
  status: {
    phase: 'Running',
    podIPs: [{ ip: `10.0.${n >> 8}.${n & 255}` }],
    conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
  },
});
const many = (from: number, count: number, options = {}): Pod[] =>
  Array.from({ length: count }, (_, i) => pod(from + i, options));
const planned = (pods: readonly Pod[], of = service()) => {
  const made = planEndpoints(of, pods, undefined, undefined);
  return {
    made,
    sizes: (made?.subsets ?? []).map(s => [s.addresses?.length ?? 0, s.notReadyAddresses?.length ?? 0]),
    capacity: made?.metadata.annotations?.['endpoints.kubernetes.io/over-capacity'],
  };
};

describe('planEndpoints()', () => {
  test('a subset for each set of ports, and nothing to do when it stands', () => {
    const pods = [pod(1), pod(2, { ready: false }), pod(3, { port: 81 }), pod(4, { deleting: true })];
    const { made, sizes, capacity } = planned(pods);
    expect([sizes, capacity]).toEqual([
      [
        [1, 1],
        [1, 0],
      ],
      undefined,
    ]);
    expect(planEndpoints(service(), pods, made, 1)).toBeUndefined();
    expect(planned(pods, service({ publishNotReadyAddresses: true })).sizes).toEqual([
      [3, 0],
      [1, 0],
    ]);
  });

  test.each([
    { name: 'exactly full', pods: many(0, 1000), sizes: [[1000, 0]], capacity: undefined },
    { name: 'too many', pods: many(0, 1001), sizes: [[1000, 0]], capacity: 'truncated' },
    {
      name: 'those that are not ready go first',
      pods: [...many(0, 500, { ready: false }), ...many(500, 900)],
      sizes: [[900, 100]],
      capacity: 'truncated',
    },
    {
      name: 'each set of ports keeps its share',
      pods: [...many(0, 900), ...many(900, 300, { port: 81 }), ...many(1200, 50, { ready: false })],
      sizes: [
        [750, 0],
        [250, 0],
      ],
      capacity: 'truncated',
    },
  ])('$name', ({ pods, sizes, capacity }) => {
    const found = planned(pods);
    expect([found.sizes, found.capacity]).toEqual([sizes, capacity]);
  });
});
