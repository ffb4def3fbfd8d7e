import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { apiTable } from '../../proto/api/schema.ts';
import { jsonEquals, type JsonObject } from './json-value.ts';
import { SchemaTable } from './schema-table.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

const table = new SchemaTable(apiTable);
const podSpec = table.type('api/core/v1', 'PodSpec');
const deploymentSpec = table.type('api/apps/v1', 'DeploymentSpec');
const meta = table.type('apimachinery/pkg/apis/meta/v1', 'ObjectMeta');
const [a, b, c] = [
  { name: 'a', image: '1' },
  { name: 'b', image: '1' },
  { name: 'c', image: '1' },
];

describe('applyStrategicMergePatch()', () => {
  test.each([
    [
      'merges items by key',
      { containers: [a, b] },
      { containers: [{ name: 'b', image: '2' }] },
      { containers: [a, { name: 'b', image: '2' }] },
    ],
    ['puts new items first', { containers: [a] }, { containers: [b] }, { containers: [b, a] }],
    ['deletes an item', { containers: [a, b] }, { containers: [{ name: 'a', $patch: 'delete' }] }, { containers: [b] }],
    ['replaces the list', { containers: [a, b] }, { containers: [{ $patch: 'replace' }, c] }, { containers: [c] }],
    [
      'replaces the list by one that has a key twice',
      { containers: [a] },
      { containers: [c, { ...c, image: '2' }, { $patch: 'replace' }] },
      { containers: [c, { ...c, image: '2' }] },
    ],
    [
      'replaces an object',
      { securityContext: { runAsUser: 1, fsGroup: 2 } },
      { securityContext: { $patch: 'replace', fsGroup: 3 } },
      { securityContext: { fsGroup: 3 } },
    ],
    ['removes with null', { hostname: 'x', nodeName: 'y' }, { hostname: null, subdomain: null }, { nodeName: 'y' }],
    [
      'drops nulls of new objects',
      {},
      { securityContext: { fsGroup: null, runAsUser: 1 } },
      { securityContext: { runAsUser: 1 } },
    ],
    [
      'replaces atomic lists',
      { containers: [{ ...a, args: ['x'] }] },
      { containers: [{ name: 'a', args: ['y'] }] },
      { containers: [{ ...a, args: ['y'] }] },
    ],
    [
      'orders',
      { containers: [a, b, c] },
      { '$setElementOrder/containers': [{ name: 'c' }, { name: 'a' }], containers: [{ name: 'a', image: '2' }] },
      { containers: [b, c, { name: 'a', image: '2' }] },
    ],
    [
      'orders without a change',
      { containers: [a, b] },
      { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] },
      { containers: [b, a] },
    ],
    [
      'retains keys of a volume',
      { volumes: [{ name: 'v', emptyDir: {} }] },
      { volumes: [{ name: 'v', hostPath: { path: '/x' }, $retainKeys: ['name', 'hostPath'] }] },
      { volumes: [{ name: 'v', hostPath: { path: '/x' } }] },
    ],
    [
      'merges numbers by key',
      { containers: [{ ...a, ports: [{ containerPort: 1 }] }] },
      { containers: [{ name: 'a', ports: [{ containerPort: 1, name: 'p' }] }] },
      { containers: [{ ...a, ports: [{ containerPort: 1, name: 'p' }] }] },
    ],
  ] as [string, JsonObject, JsonObject, JsonObject][])('%s', (_name, document, patch, want) => {
    const before = JSON.stringify([document, patch]);
    expect(applyStrategicMergePatch(document, patch, podSpec)).toEqual(want);
    expect(JSON.stringify([document, patch])).toBe(before);
  });

  test.each([
    ['merges primitive lists', { finalizers: ['a', 'b'] }, { finalizers: ['c', 'a'] }, { finalizers: ['c', 'a', 'b'] }],
    [
      'deletes primitives',
      { finalizers: ['a', 'b'] },
      { '$deleteFromPrimitiveList/finalizers': ['a'] },
      { finalizers: ['b'] },
    ],
    [
      'deletes, adds and orders primitives',
      { finalizers: ['a', 'b', 'c'] },
      { '$deleteFromPrimitiveList/finalizers': ['a'], '$setElementOrder/finalizers': ['d', 'b'], finalizers: ['d'] },
      { finalizers: ['d', 'b', 'c'] },
    ],
    [
      'keeps prototype keys',
      { labels: { x: 'y' } },
      JSON.parse('{"labels":{"__proto__":"z"}}'),
      JSON.parse('{"labels":{"x":"y","__proto__":"z"}}'),
    ],
  ] as [string, JsonObject, JsonObject, JsonObject][])('%s', (_name, document, patch, want) => {
    expect(applyStrategicMergePatch(document, patch, meta)).toEqual(want);
  });

  test('retains keys of a strategy', () => {
    const document = { strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1 } } };
    const patch = { strategy: { $retainKeys: ['type'], type: 'Recreate' } };
    expect(applyStrategicMergePatch(document, patch, deploymentSpec)).toEqual({ strategy: { type: 'Recreate' } });
  });

  test.each([
    [{ containers: [{ image: 'x' }] }, 'does not contain declared merge key: name'],
    [{ $patch: 'jump' }, 'unknown patch type'],
    [{ containers: [{ $patch: 'delete' }] }, 'no merge key'],
    [{ '$setElementOrder/containers': 1 }, 'must be a list'],
  ] as [JsonObject, string][])('refuses %j', (patch, want) => {
    expect(() => applyStrategicMergePatch({ containers: [a] }, patch, podSpec)).toThrow(want);
  });
});

/** A reference model: lists of named items as maps, order left out. */
const item = fc.record({ image: fc.string(), tty: fc.boolean() }, { requiredKeys: [] });
const named = fc.dictionary(fc.constantFrom('a', 'b', 'c', 'd'), item);
const toList = (map: Record<string, object>): JsonObject[] =>
  Object.entries(map).map(([name, rest]) => ({ name, ...rest }) as JsonObject);
const byName = (list: unknown): JsonObject =>
  Object.fromEntries(((list ?? []) as JsonObject[]).map(i => [String(i['name']), i])) as JsonObject;

test('keyed lists merge as maps of maps do', () => {
  fc.assert(
    fc.property(named, named, fc.subarray(['a', 'b', 'c', 'd']), (old, change, removed) => {
      const patch = [
        ...toList(change).filter(i => !removed.includes(String(i['name']))),
        ...removed.map(name => ({ name, $patch: 'delete' })),
      ];
      const got = applyStrategicMergePatch({ containers: toList(old) }, { containers: patch }, podSpec);
      const want: Record<string, object> = { ...old };
      for (const [name, rest] of Object.entries(change)) want[name] = { ...want[name], ...rest };
      for (const name of removed) delete want[name];
      return jsonEquals(byName(got['containers']), byName(toList(want)));
    }),
  );
});

test('applying a patch without directives twice changes nothing more', () => {
  fc.assert(
    fc.property(named, named, (old, change) => {
      const patch = { containers: toList(change) };
      const once = applyStrategicMergePatch({ containers: toList(old) }, patch, podSpec);
      return jsonEquals(applyStrategicMergePatch(once, patch, podSpec), once);
    }),
  );
});
