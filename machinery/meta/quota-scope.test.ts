import { describe, expect, test } from '@jest/globals';
import type { PersistentVolumeClaim, Pod, ResourceQuota } from '../../proto/api/core-v1.ts';
import { inQuotaScope } from './quota-scope.ts';

const pods = { group: '', resource: 'pods' };
const pod = (spec: Partial<Pod['spec']>): Pod => ({ metadata: { name: 'p' }, spec: { containers: [], ...spec } });

describe('inQuotaScope()', () => {
  const quota = (spec: ResourceQuota['spec']): ResourceQuota => ({ metadata: {}, spec });
  const classIn = (values: string[]) =>
    quota({ scopeSelector: { matchExpressions: [{ scopeName: 'PriorityClass', operator: 'In', values }] } });
  const bound = { containers: [{ name: 'c', resources: { requests: { cpu: '1' } } }] };
  const far = { requiredDuringSchedulingIgnoredDuringExecution: [{ topologyKey: 'zone', namespaces: ['other'] }] };

  test.each<[string, ResourceQuota, Pod, boolean]>([
    ['no scope', quota({}), pod({}), true],
    ['Terminating', quota({ scopes: ['Terminating'] }), pod({ activeDeadlineSeconds: 5 }), true],
    ['NotTerminating', quota({ scopes: ['NotTerminating'] }), pod({ activeDeadlineSeconds: 5 }), false],
    ['BestEffort', quota({ scopes: ['BestEffort'] }), pod(bound), false],
    ['NotBestEffort and NotTerminating', quota({ scopes: ['NotBestEffort', 'NotTerminating'] }), pod(bound), true],
    ['a priority class', classIn(['high']), pod({ priorityClassName: 'high' }), true],
    ['another priority class', classIn(['high']), pod({ priorityClassName: 'low' }), false],
    [
      'affinity to other namespaces',
      quota({ scopes: ['CrossNamespacePodAffinity'] }),
      pod({ affinity: { podAffinity: far } }),
      true,
    ],
    ['no such affinity', quota({ scopes: ['CrossNamespacePodAffinity'] }), pod({}), false],
  ])('%s', (_name, subject, object, expected) => {
    expect(inQuotaScope(subject, pods, object)).toBe(expected);
  });

  test.each<[string, string, string[], PersistentVolumeClaim['status'], boolean]>([
    ['the class that it wants', 'In', ['gold'], {}, true],
    ['another class', 'In', ['silver'], {}, false],
    ['the class that it has', 'In', ['silver'], { currentVolumeAttributesClassName: 'silver' }, true],
    ['any class', 'Exists', [], {}, true],
    ['no class', 'DoesNotExist', [], {}, false],
  ])('a claim by %s', (_name, operator, values, status, expected) => {
    const matchExpressions = [{ scopeName: 'VolumeAttributesClass', operator, values }];
    const claim = { metadata: {}, spec: { volumeAttributesClassName: 'gold' }, status };
    const kind = { group: '', resource: 'persistentvolumeclaims' };
    expect(inQuotaScope(quota({ scopeSelector: { matchExpressions } }), kind, claim)).toBe(expected);
  });

  test('a quota with scopes counts no other kinds', () => {
    const object = { metadata: {} };
    expect(inQuotaScope(quota({ scopes: ['BestEffort'] }), { group: '', resource: 'secrets' }, object)).toBe(false);
  });
});
