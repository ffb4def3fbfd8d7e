import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson, deepCopy, jsonEquals } from './json-value.ts';
import { fnv32a, randomSuffix, templateHash } from './name-hash.ts';
import {
  controllerOf,
  controllerRef,
  findCondition,
  isControlledBy,
  joinApiVersion,
  objectKey,
  setCondition,
  splitApiVersion,
  splitKey,
} from './object.ts';

const NOW = '2026-01-01T00:00:00Z';

test('keys split as they were joined', () => {
  expect(splitKey(objectKey('a', 'b'))).toEqual({ namespace: 'a', name: 'b' });
  expect(splitKey(objectKey(undefined, 'b'))).toEqual({ namespace: '', name: 'b' });
  expect(splitApiVersion(joinApiVersion('apps', 'v1'))).toEqual({ group: 'apps', version: 'v1' });
  expect(splitApiVersion('v1')).toEqual({ group: '', version: 'v1' });
});

test('controllerRef() names the controller', () => {
  const owner = { metadata: { name: 'o', uid: 'u' } };
  const ref = controllerRef(owner, { group: 'apps', version: 'v1', kind: 'ReplicaSet' });
  const object = { metadata: { ownerReferences: [{ ...ref, uid: 'x', controller: false }, ref] } };
  expect(controllerOf(object)).toBe(ref);
  expect(isControlledBy(object, owner)).toBe(true);
  expect(ref).toEqual({
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    name: 'o',
    uid: 'u',
    controller: true,
    blockOwnerDeletion: true,
  });
  expect(() => controllerRef({ metadata: {} }, { group: '', version: 'v1', kind: 'Pod' })).toThrow(
    'without name and uid',
  );
});

test('setCondition() moves the transition time only when the status changes', () => {
  const ready = { type: 'Ready', status: 'True', reason: 'R', message: '', lastTransitionTime: NOW };
  const list = setCondition([], ready, NOW);
  expect(setCondition(list, { ...ready }, 'later')).toBe(list);
  expect(findCondition(setCondition(list, { ...ready, reason: 'S' }, 'later'), 'Ready')).toEqual({
    ...ready,
    reason: 'S',
  });
  expect(findCondition(setCondition(list, { ...ready, status: 'False' }, 'later'), 'Ready')?.lastTransitionTime).toBe(
    'later',
  );
});

test('templateHash() depends on content alone', () => {
  expect(templateHash({ a: 1, b: { c: 2, d: undefined } })).toBe(templateHash({ b: { c: 2 }, a: 1 }));
  expect(templateHash({ a: 1 })).not.toBe(templateHash({ a: 1 }, 1));
  expect(templateHash({ a: 1 })).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]+$/);
  expect(fnv32a('hello')).toBe(0x4f9f2cab);
});

test('randomSuffix() is short and safe', () => {
  const seen = new Set(Array.from({ length: 200 }, () => randomSuffix()));
  expect(seen.size).toBeGreaterThan(190);
  for (const suffix of seen) expect(suffix).toMatch(/^[bcdfghjklmnpqrstvwxz2456789]{5}$/);
});

test('deepCopy(), jsonEquals() and canonicalJson() agree', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
      expect(jsonEquals(deepCopy(a), a)).toBe(true);
      expect(jsonEquals(a, b)).toBe(canonicalJson(a) === canonicalJson(b));
    }),
  );
});
