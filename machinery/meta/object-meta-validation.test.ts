import { describe, expect, test } from '@jest/globals';
import type { ObjectMeta } from '../../proto/api/meta-v1.ts';
import { FieldPath } from './field-path.ts';
import { dns1123Label, dns1123Subdomain, qualifiedName } from './names.ts';
import { validateObjectMeta, validateObjectMetaUpdate } from './object-meta-validation.ts';
import { cidr, ipFamilyOf, portName } from './value-shapes.ts';

const path = FieldPath.of('metadata');
const check = (meta: ObjectMeta, namespaced = true): string[] =>
  validateObjectMeta(meta, namespaced, dns1123Subdomain, path).map(String);

describe('validateObjectMeta()', () => {
  test.each([
    [{ name: 'a', namespace: 'b', labels: { app: 'x', 'example.com/y': '' } }, []],
    [{ namespace: 'b' }, ['metadata.name: Required value: name or generateName is required']],
    [{ name: 'a' }, ['metadata.namespace: Required value']],
    [
      { name: 'a', namespace: 'b', labels: { a: 'b c' } },
      [
        "metadata.labels: Invalid value: \"b c\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', " +
          "and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', " +
          "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
      ],
    ],
    [
      { name: 'a', namespace: 'b', annotations: { a: 'x'.repeat(262144) } },
      ['metadata.annotations: Too long: may not be more than 262144 bytes'],
    ],
    [
      { name: 'a', namespace: 'b', finalizers: ['orphan', 'foregroundDeletion'] },
      [expect.stringContaining('cannot be both set')],
    ],
    [
      { name: 'a', namespace: 'b', ownerReferences: [{ apiVersion: 'v1', kind: 'Pod', name: '', uid: 'u' }] },
      ['metadata.ownerReferences.name: Invalid value: "": must not be empty'],
    ],
  ] as [ObjectMeta, string[]][])('%j', (meta, want) => {
    expect(check(meta)).toEqual(want);
  });

  test('generateName may end with a dash', () => {
    expect(check({ name: 'a-1', generateName: 'a-', namespace: 'b' })).toEqual([]);
  });

  test('cluster scope has no namespace', () => {
    expect(check({ name: 'a', namespace: 'b' }, false)).toEqual([
      'metadata.namespace: Forbidden: not allowed on this type',
    ]);
  });
});

test('validateObjectMetaUpdate() keeps what is immutable', () => {
  const old = {
    name: 'a',
    namespace: 'b',
    uid: 'u',
    resourceVersion: '1',
    generation: 2,
    deletionTimestamp: '2020-01-01T00:00:00Z',
  };
  expect(validateObjectMetaUpdate({ ...old }, old, path)).toEqual([]);
  const errors = validateObjectMetaUpdate(
    { name: 'c', namespace: 'b', uid: 'v', generation: 1, finalizers: ['x/y'] },
    old,
    path,
  );
  expect(errors.map(String)).toEqual([
    'metadata.name: Invalid value: "c": field is immutable',
    'metadata.uid: Invalid value: "v": field is immutable',
    'metadata.resourceVersion: Invalid value: "": must be specified for an update',
    'metadata.generation: Invalid value: 1: must not be decremented',
    'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"x/y"}',
  ]);
});

test.each([
  [dns1123Label('a.b'), ['must not contain dots']],
  [dns1123Label('a'.repeat(64)), ['must be no more than 63 bytes']],
  [qualifiedName('/a'), ['prefix part must be non-empty']],
  [qualifiedName('a/b/c').length, 1],
  [qualifiedName('a/').slice(0, 1), ['name part must be non-empty']],
  [portName('a--b'), ['must not contain consecutive hyphens']],
  [cidr('10.0.0.0/33').length, 1],
  [cidr('fd00::/64'), []],
])('%j', (got, want) => {
  expect(got).toEqual(want);
});

test.each([
  ['10.0.0.1', 'IPv4'],
  ['010.0.0.1', undefined],
  ['256.0.0.1', undefined],
  ['1.2.3', undefined],
  ['::', 'IPv6'],
  ['::1', 'IPv6'],
  ['fd00::1:2', 'IPv6'],
  ['::ffff:1.2.3.4', 'IPv6'],
  ['1:2:3:4:5:6:7:8', 'IPv6'],
  ['1:2:3:4:5:6:7', undefined],
  ['1::2::3', undefined],
  [':1:2:3:4:5:6:7', undefined],
  ['fe80::1%eth0', undefined],
  ['1:2:3:4:5:6:7::', 'IPv6'],
])('ipFamilyOf(%s)', (text, want) => {
  expect(ipFamilyOf(text)).toBe(want);
});
