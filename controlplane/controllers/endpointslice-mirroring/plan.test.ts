import { describe, expect, test } from '@jest/globals';
import type { Endpoints, Service } from '../../../proto/api/core-v1.ts';
import type { EndpointSlice } from '../../../proto/api/discovery-v1.ts';
import { isMirrored, planMirror } from './plan.ts';

const endpoints = (labels: Record<string, string> = {}): Endpoints => ({
  metadata: { name: 's', namespace: 'd', uid: 'u', labels },
  subsets: [
    {
      addresses: [{ ip: '192.0.2.1' }, { ip: '2001:db8::1' }],
      notReadyAddresses: [{ ip: '192.0.2.2', hostname: 'h' }],
      ports: [{ port: 80 }],
    },
    { addresses: [{ ip: '192.0.2.3' }], ports: [{ port: 80 }] },
    { addresses: [{ ip: '192.0.2.1' }], ports: [{ name: 'dns', port: 53, protocol: 'UDP' }] },
  ],
});
const service = (selector?: Record<string, string>): Service => ({
  metadata: { name: 's', namespace: 'd' },
  spec: selector === undefined ? {} : { selector },
});

describe('isMirrored()', () => {
  test.each([
    ['a user`s own, of a service without selector', endpoints(), service(), true],
    ['without service', endpoints(), undefined, false],
    ['of a service that selects pods', endpoints(), service({ a: 'b' }), false],
    [
      'made by the controller',
      endpoints({ 'endpoints.kubernetes.io/managed-by': 'endpoint-controller' }),
      service(),
      false,
    ],
    ['that asks not to be', endpoints({ 'endpointslice.kubernetes.io/skip-mirror': 'true' }), service(), false],
    ['gone', undefined, service(), false],
  ])('Endpoints %s', (_name, object, of, want) => {
    expect(isMirrored(object, of)).toBe(want);
  });
});

describe('planMirror()', () => {
  const first = planMirror(endpoints(), []);

  test('makes a slice for each family and set of ports', () => {
    const shown = first.create.map(({ addressType, ports, endpoints: list }) => ({
      type: addressType,
      port: ports?.[0]?.port,
      addresses: (list ?? []).map(e => `${e.addresses[0]}${e.conditions?.ready === true ? '' : ' not ready'}`),
    }));
    expect(shown).toEqual([
      { type: 'IPv4', port: 80, addresses: ['192.0.2.1', '192.0.2.2 not ready', '192.0.2.3'] },
      { type: 'IPv6', port: 80, addresses: ['2001:db8::1'] },
      { type: 'IPv4', port: 53, addresses: ['192.0.2.1'] },
    ]);
    expect(first.create[0]?.metadata.labels).toEqual({
      'kubernetes.io/service-name': 's',
      'endpointslice.kubernetes.io/managed-by': 'endpointslicemirroring-controller.k8s.io',
    });
    expect(new Set(first.create.map(slice => slice.metadata.name)).size).toBe(3);
  });

  test('does nothing when all is said already', () => {
    expect(planMirror(endpoints(), first.create)).toEqual({ create: [], update: [], delete: [], skipped: 0 });
  });

  test('follows a change and takes away what is said no more', () => {
    const changed: Endpoints = {
      ...endpoints(),
      subsets: [{ addresses: [{ ip: '192.0.2.9' }], ports: [{ port: 80 }] }],
    };
    const plan = planMirror(changed, first.create);
    expect(plan.create).toEqual([]);
    expect(plan.update.map(slice => slice.endpoints?.map(e => e.addresses[0]))).toEqual([['192.0.2.9']]);
    expect(plan.delete).toHaveLength(2);
  });

  test('takes all away when the object is gone', () => {
    const slices: readonly EndpointSlice[] = first.create;
    expect(planMirror(undefined, slices).delete).toHaveLength(3);
  });

  test('annotations follow, but for those of the Endpoints object alone', () => {
    const noted = endpoints();
    noted.metadata.annotations = {
      a: 'b',
      'kubectl.kubernetes.io/last-applied-configuration': '{}',
      'endpoints.kubernetes.io/last-change-trigger-time': 'x',
    };
    const plan = planMirror(noted, first.create);
    expect(plan.update.map(slice => slice.metadata.annotations)).toEqual(Array(3).fill({ a: 'b' }));
    expect(planMirror(endpoints(), plan.update).update.map(slice => slice.metadata.annotations)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(planMirror(noted, plan.update).update).toEqual([]);
  });
});
