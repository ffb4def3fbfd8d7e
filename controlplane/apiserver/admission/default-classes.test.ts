import { describe, expect, test } from '@jest/globals';
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import type { AdmissionRequest } from './admission.ts';
import { defaultIngressClass } from './default-ingress-class.ts';
import { defaultStorageClass } from './default-storage-class.ts';
import { volumeClaimResize } from './volume-claim-resize.ts';

/** Storage that holds these objects and nothing else. */
function holding<T extends AnyObject>(...objects: AnyObject[]): ResourceStorage<T> {
  const item = (object: AnyObject): { object: T } => ({ object: object as T });
  return {
    list: async ({ predicate }: { predicate(object: AnyObject): boolean }) => ({
      items: objects.filter(predicate).map(item),
    }),
    peek: (_namespace: string, name: string) => objects.filter(o => o.metadata.name === name).map(item)[0],
  } as unknown as ResourceStorage<T>;
}

function named(name: string, annotation: string | undefined, creationTimestamp: string, more: object = {}): AnyObject {
  const annotations = annotation === undefined ? {} : { [annotation]: 'true' };
  return { metadata: { name, creationTimestamp, annotations }, ...more } as AnyObject;
}

const [JANUARY, JUNE] = ['2026-01-01T00:00:00Z', '2026-06-01T00:00:00Z'];

describe('DefaultStorageClass', () => {
  const IS_DEFAULT = 'storageclass.kubernetes.io/is-default-class';
  const old = named('old', IS_DEFAULT, JANUARY);
  const young = named('young', IS_DEFAULT, JUNE);

  test.each([
    ['takes the default', [named('other', undefined, JUNE), old], {}, {}, 'old'],
    ['takes the newest of two', [old, young], {}, {}, 'young'],
    ['takes the first by name of equals', [young, named('b', IS_DEFAULT, JUNE)], {}, {}, 'b'],
    ['keeps what is said', [old], { storageClassName: 'mine' }, {}, 'mine'],
    ['keeps an empty name', [old], { storageClassName: '' }, {}, ''],
    ['keeps the old annotation', [old], {}, { 'volume.beta.kubernetes.io/storage-class': 'x' }, undefined],
    ['has none to give', [], {}, {}, undefined],
  ])('a claim %s', async (_name, classes, spec, annotations, expected) => {
    const object = { metadata: { name: 'c', annotations }, spec } as AnyObject & {
      spec: { storageClassName?: string };
    };
    await defaultStorageClass(holding(...classes)).admit?.({ object } as unknown as AdmissionRequest);
    expect(object.spec.storageClassName).toBe(expected);
  });
});

describe('DefaultIngressClass', () => {
  const classes = [named('nginx', 'ingressclass.kubernetes.io/is-default-class', JANUARY), named('x', undefined, JUNE)];

  test.each([
    ['takes the default', {}, {}, 'nginx'],
    ['keeps what is said', { ingressClassName: 'x' }, {}, 'x'],
    ['keeps the old annotation', {}, { 'kubernetes.io/ingress.class': 'x' }, undefined],
  ])('an ingress %s', async (_name, spec, annotations, expected) => {
    const object = { metadata: { name: 'i', annotations }, spec } as AnyObject & {
      spec: { ingressClassName?: string };
    };
    await defaultIngressClass(holding(...classes)).admit?.({ object } as unknown as AdmissionRequest);
    expect(object.spec.ingressClassName).toBe(expected);
  });
});

describe('PersistentVolumeClaimResize', () => {
  const resource = { info: { group: '', resource: 'persistentvolumeclaims' } };
  const claim = (storage: string, storageClassName: string, phase: string): AnyObject =>
    ({
      metadata: { name: 'c' },
      spec: { storageClassName, resources: { requests: { storage } } },
      status: { phase },
    }) as AnyObject;
  const classes = holding(
    named('grows', undefined, JUNE, { allowVolumeExpansion: true }),
    named('fixed', undefined, JUNE),
  );
  const CLASS = 'the storageclass that provisions the pvc must support resize';

  test.each([
    ['that grows with its class', claim('2Gi', 'grows', 'Bound'), claim('1Gi', 'grows', 'Bound'), undefined],
    ['that shrinks', claim('1Gi', 'fixed', 'Bound'), claim('2Gi', 'fixed', 'Bound'), undefined],
    ['that is not bound', claim('2Gi', 'grows', 'Pending'), claim('1Gi', 'grows', 'Pending'), 'Only bound'],
    ['whose class is fixed', claim('2Gi', 'fixed', 'Bound'), claim('1Gi', 'fixed', 'Bound'), CLASS],
    ['without a class', claim('2Gi', '', 'Bound'), claim('1Gi', '', 'Bound'), CLASS],
  ])('a claim %s', async (_name, object, older, problem) => {
    const request = { object, older, resource, name: 'c' } as unknown as AdmissionRequest;
    const validated = Promise.resolve(volumeClaimResize(classes as never).validate?.(request));
    if (problem === undefined) await expect(validated).resolves.toBeUndefined();
    else await expect(validated).rejects.toThrow(problem);
  });
});
