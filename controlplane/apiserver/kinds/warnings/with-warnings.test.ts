import { describe, expect, test } from '@jest/globals';
import type { AnyObject } from '../../../../machinery/client/resource.ts';
import { kinds } from '../../../../proto/api/kinds.ts';
import { strategyOf } from '../strategies.ts';
import { inactiveKinds } from './inactive-kinds.ts';

function warnings(group: string, kind: string, content: object, older?: object): string[] {
  const info = kinds.find(k => k.group === group && k.kind === kind);
  if (info === undefined) throw new Error(`no kind ${kind}`);
  const object = { metadata: { name: 'x' }, ...content } as AnyObject;
  return strategyOf(info).warnings?.(object, older as AnyObject | undefined) ?? [];
}

test('inactiveKinds names kinds that exist', () => {
  const known = new Set(kinds.map(({ group, kind }) => `${group}/${kind}`));
  expect(Object.keys(inactiveKinds).filter(key => !known.has(key))).toEqual([]);
});

describe('withWarnings()', () => {
  const set = { spec: { note: 1 } };
  const [key = '', text] = Object.entries(inactiveKinds)[0] ?? [];
  const [group = '', kind = ''] = key.split('/');

  test('tells at creation that nothing acts on the kind, in every version of it', () => {
    for (const [name, expected] of Object.entries(inactiveKinds)) {
      for (const info of kinds.filter(k => `${k.group}/${k.kind}` === name)) {
        const object = { metadata: { name: 'x' }, spec: {} } as AnyObject;
        expect(strategyOf(info).warnings?.(object, undefined)).toContain(expected);
      }
    }
  });

  test('says nothing when metadata or status alone change', () => {
    const older = { metadata: { name: 'x' }, ...set };
    const changed = { metadata: { name: 'x', labels: { a: 'b' } }, spec: { note: 1 }, status: { note: 1 } };
    expect(warnings(group, kind, changed, older)).toEqual([]);
  });

  test('says it again when the spec changes', () => {
    const older = { metadata: { name: 'x' }, ...set };
    expect(warnings(group, kind, { spec: { note: 2 } }, older)).toEqual([text]);
  });

  test.each([
    ['', 'Pod', { spec: { containers: [{ name: 'c' }] } }],
    ['apps', 'Deployment', { spec: { template: { spec: { containers: [{ name: 'c' }] } } } }],
    ['', 'Service', { spec: { type: 'NodePort' } }],
    ['', 'ConfigMap', { data: {} }],
  ])('says nothing of %s/%s that works', (group, kind, content) => {
    expect(warnings(group, kind, content)).toEqual([]);
  });

  test.each([
    [
      '',
      'Pod',
      { spec: { resourceClaims: [{ name: 'gpu' }], containers: [] } },
      'spec.resourceClaims: is not supported: no devices are allocated to pods; the pod will wait',
    ],
    [
      'apps',
      'Deployment',
      { spec: { template: { spec: { containers: [{ name: 'c', resources: { claims: [{ name: 'gpu' }] } }] } } } },
      'spec.template.spec.containers[0].resources.claims: is not supported: no devices are allocated to pods; the pod will wait',
    ],
    [
      '',
      'Service',
      { spec: { type: 'LoadBalancer' } },
      'spec.type: no load balancer is made by k8ts; the service answers on its cluster address and node ports',
    ],
  ])('names the field of %s/%s', (group, kind, content, expected) => {
    expect(warnings(group, kind, content)).toEqual([expected]);
  });
});
