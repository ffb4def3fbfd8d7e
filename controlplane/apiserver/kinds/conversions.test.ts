import { describe, expect, test } from '@jest/globals';
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { autoscalingV1Conversion } from './autoscaling/autoscaling-v1.ts';
import { batchV1beta1Conversion } from './batch/batch-v1beta1.ts';
import { discoveryV1beta1Conversion } from './discovery/discovery-v1beta1.ts';
import { policyV1beta1Conversion } from './policy/policy-v1beta1.ts';

const EMPTY_SELECTOR_LABEL = 'pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match';
const object = (more: object): AnyObject => ({ metadata: { name: 'x' }, ...more }) as AnyObject;

describe('policyV1beta1Conversion', () => {
  test.each([
    ['selects nothing', {}, { matchExpressions: [{ key: EMPTY_SELECTOR_LABEL, operator: 'Exists' }] }],
    [
      'with empty parts',
      { matchLabels: {} },
      { matchExpressions: [{ key: EMPTY_SELECTOR_LABEL, operator: 'Exists' }] },
    ],
    ['of all', { matchExpressions: [{ key: EMPTY_SELECTOR_LABEL, operator: 'DoesNotExist' }] }, {}],
    ['of some', { matchLabels: { a: 'b' } }, { matchLabels: { a: 'b' } }],
    ['missing', undefined, undefined],
  ])('a selector %s becomes that of v1 and comes back', (name, selector, stored) => {
    const beta = object({ apiVersion: 'policy/v1beta1', spec: { minAvailable: 1, selector } });
    const storage = policyV1beta1Conversion.toStorage(beta);
    expect(storage).toEqual(object({ apiVersion: 'policy/v1', spec: { minAvailable: 1, selector: stored } }));
    const back = name === 'with empty parts' ? {} : selector;
    expect(policyV1beta1Conversion.fromStorage(storage)).toEqual({
      ...beta,
      spec: { minAvailable: 1, selector: back },
    });
  });

  test('keep() keeps what v1beta1 cannot say', () => {
    const next = object({ spec: { minAvailable: 2 }, status: { expectedPods: 1 } });
    const was = { spec: { unhealthyPodEvictionPolicy: 'AlwaysAllow' }, status: { conditions: [{ type: 'X' }] } };
    policyV1beta1Conversion.keep?.(next, object(was));
    expect(next).toMatchObject({ ...was, spec: { ...was.spec, minAvailable: 2 } });
  });
});

describe('batchV1beta1Conversion', () => {
  test('keep() keeps the time zone and the last success', () => {
    const next = object({ spec: { schedule: '@daily' }, status: {} });
    const was = { spec: { timeZone: 'Europe/Berlin' }, status: { lastSuccessfulTime: '2026-01-01T00:00:00Z' } };
    batchV1beta1Conversion.keep?.(next, object(was));
    expect(next).toMatchObject(was);
  });
});

describe('discoveryV1beta1Conversion', () => {
  const slice = (apiVersion: string, endpoint: object): AnyObject =>
    object({ apiVersion, endpoints: [{ addresses: ['10.0.0.1'], ...endpoint }] });
  const topology = { 'kubernetes.io/hostname': 'n', 'topology.kubernetes.io/zone': 'z', other: 'x' };

  test('zone and node leave the topology, and come back into it', () => {
    const beta = slice('discovery.k8s.io/v1beta1', { nodeName: 'n', topology });
    const storage = discoveryV1beta1Conversion.toStorage(beta);
    expect(storage).toEqual(
      slice('discovery.k8s.io/v1', { nodeName: 'n', zone: 'z', deprecatedTopology: { other: 'x' } }),
    );
    expect(discoveryV1beta1Conversion.fromStorage(storage)).toEqual(beta);
  });

  test('keep() keeps the hints of the same addresses', () => {
    const hints = { forZones: [{ name: 'z' }] };
    const next = slice('discovery.k8s.io/v1', {});
    discoveryV1beta1Conversion.keep?.(next, slice('discovery.k8s.io/v1', { hints }));
    expect(next).toEqual(slice('discovery.k8s.io/v1', { hints }));
  });
});

describe('autoscalingV1Conversion', () => {
  const cpu = (averageUtilization: number): object => ({
    type: 'Resource',
    resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization } },
  });
  const pods = {
    type: 'Pods',
    pods: { metric: { name: 'hits' }, target: { type: 'AverageValue', averageValue: '10' } },
  };
  const behavior = { scaleDown: { stabilizationWindowSeconds: 60 } };

  test('the processor goal is a field, everything else annotations, and all of it comes back', () => {
    const stored = object({
      apiVersion: 'autoscaling/v2',
      spec: { maxReplicas: 3, metrics: [pods, cpu(80)], behavior },
      status: { currentReplicas: 1, desiredReplicas: 1, conditions: [{ type: 'AbleToScale', status: 'True' }] },
    });
    const v1 = autoscalingV1Conversion.fromStorage(stored) as AnyObject & { spec: object };
    expect(v1.spec).toEqual({ maxReplicas: 3, targetCPUUtilizationPercentage: 80 });
    expect(Object.keys(v1.metadata.annotations ?? {}).sort()).toEqual([
      'autoscaling.alpha.kubernetes.io/behavior',
      'autoscaling.alpha.kubernetes.io/conditions',
      'autoscaling.alpha.kubernetes.io/metrics',
    ]);
    const back = autoscalingV1Conversion.toStorage(v1) as AnyObject & { spec: { metrics: object[] } };
    expect(back.metadata.annotations ?? {}).toEqual({});
    expect(back).toMatchObject({ apiVersion: 'autoscaling/v2', spec: { maxReplicas: 3, behavior } });
    expect(back.spec.metrics).toEqual(expect.arrayContaining([pods, cpu(80)]));
  });
});
