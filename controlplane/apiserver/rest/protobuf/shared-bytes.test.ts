import { expect, test } from '@jest/globals';
import type { KubeObject, StoredObject } from '../../storage/storage.ts';
import { ObjectEvent } from '../../storage/cache-event.ts';
import { CachedObject } from '../../storage/cached-object.ts';
import { ProtobufForm } from './protobuf-form.ts';
import { ByteBudget, SharedBytes } from './shared-bytes.ts';

test('SharedBytes.of() makes bytes once, and again when the oldest had to go', () => {
  const shared = new SharedBytes<object>(new ByteBudget(100));
  let made = 0;
  const make = (): Buffer => {
    made++;
    return Buffer.alloc(40);
  };
  const [a, b, c] = [{}, {}, {}];
  expect(shared.of(a, make)).toBe(shared.of(a, make));
  shared.of(b, make);
  expect(made).toBe(2);
  shared.of(c, make);
  shared.of(b, make);
  expect(made).toBe(3);
  shared.of(a, make);
  expect(made).toBe(4);
});

test('ByteBudget bounds all that share it, and what is too large for it is not kept', () => {
  const budget = new ByteBudget(100);
  const [one, other] = [new SharedBytes<object>(budget), new SharedBytes<object>(budget)];
  const key = {};
  const first = one.of(key, () => Buffer.alloc(60));
  other.of(key, () => Buffer.alloc(60));
  expect(one.of(key, () => Buffer.alloc(60))).not.toBe(first);
  const huge = one.of({ huge: true }, () => Buffer.alloc(101));
  expect(huge).toHaveLength(101);
});

test('ObjectEvent.frame() is built once for all watchers of a form, from bytes that a list has made', () => {
  let views = 0;
  const form = new ProtobufForm({ apiVersion: 'v1', kind: 'ConfigMap', typePackage: 'api/core/v1' }, object => {
    views++;
    return object;
  });
  const json = Buffer.from('{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{"k":"v"}}');
  const stored: CachedObject<KubeObject> = CachedObject.fromStored('default/a', 7, json);
  const event = new ObjectEvent('ADDED', stored);
  expect(event.frame(form)).toBe(event.frame(form));
  expect(form.object(stored as StoredObject).toString('latin1')).toContain('k8s\0');
  expect(views).toBe(1);
});
