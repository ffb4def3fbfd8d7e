import { describe, expect, test } from '@jest/globals';
import { apiTable } from '../../../proto/api/schema.ts';
import type { KubeObject } from '../object.ts';
import { SchemaTable } from '../schema-table.ts';
import { applyObject } from './apply-object.ts';
import { trackUpdate, type Change } from './track-update.ts';

const table = new SchemaTable(apiTable);
const schema = table.type('api/apps/v1', 'Deployment');
const NOW = '2026-01-01T00:00:00Z';
const LATER = '2026-01-01T00:01:00Z';

function deployment(spec: object, metadata: object = {}): KubeObject {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'x', namespace: 'd', ...metadata },
    spec,
  } as KubeObject;
}

function containers(...list: object[]): object {
  return { template: { spec: { containers: list } } };
}

function by(manager: string, live?: KubeObject, now = NOW): Change {
  return { schema, live, manager, apiVersion: 'apps/v1', now, ignored: [['status']] };
}

function tracked(change: Change, next: KubeObject): KubeObject {
  const managedFields = trackUpdate(change, next);
  return { ...next, metadata: { ...next.metadata, managedFields } };
}

const specOf = (object: KubeObject): unknown => (object as KubeObject & { spec: unknown }).spec;

describe('applyObject()', () => {
  test('creates, and says who owns what', () => {
    const config = deployment(
      { replicas: 1, ...containers({ name: 'a', image: 'i', ports: [{ containerPort: 80 }], args: ['x'] }) },
      { labels: { app: 'x' } },
    );
    const { object, changed } = applyObject(by('me'), config, false);
    expect(changed).toBe(true);
    expect(specOf(object)).toEqual(specOf(config));
    expect(object.metadata.managedFields).toEqual([
      {
        manager: 'me',
        operation: 'Apply',
        apiVersion: 'apps/v1',
        time: NOW,
        fieldsType: 'FieldsV1',
        fieldsV1: {
          'f:metadata': { 'f:labels': { 'f:app': {} } },
          'f:spec': {
            'f:replicas': {},
            'f:template': {
              'f:spec': {
                'f:containers': {
                  'k:{"name":"a"}': {
                    '.': {},
                    'f:args': {},
                    'f:image': {},
                    'f:name': {},
                    'f:ports': { 'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} } },
                  },
                },
              },
            },
          },
        },
      },
    ]);
  });

  test('the same again changes nothing', () => {
    const config = deployment({ replicas: 1, ...containers({ name: 'a', image: 'i' }) }, { labels: { app: 'x' } });
    const { object } = applyObject(by('me'), config, false);
    const again = applyObject(by('me', object, LATER), config, false);
    expect(again.changed).toBe(false);
    expect(again.object).toEqual(object);
  });

  test('removes what is no longer applied, and keeps what others own', () => {
    const first = applyObject(
      by('me'),
      deployment({ replicas: 1, paused: true, ...containers({ name: 'a', image: 'i' }, { name: 'b', image: 'i' }) }),
      false,
    ).object;
    const second = applyObject(
      by('you', first),
      deployment({ paused: true, ...containers({ name: 'b', tty: true }) }),
      false,
    ).object;
    const third = applyObject(by('me', second, LATER), deployment(containers({ name: 'a', image: 'i' })), false).object;
    expect(specOf(third)).toEqual({ paused: true, ...containers({ name: 'a', image: 'i' }, { name: 'b', tty: true }) });
  });

  test('an item goes with the defaults that nobody owns', () => {
    const live = applyObject(by('me'), deployment(containers({ name: 'a', image: 'i' }, { name: 'b' })), false).object;
    const defaulted = structuredClone(live) as KubeObject & { spec: { template: { spec: { containers: object[] } } } };
    Object.assign(defaulted.spec.template.spec.containers[1] ?? {}, { terminationMessagePath: '/dev/termination-log' });
    expect(
      specOf(applyObject(by('me', defaulted), deployment(containers({ name: 'a', image: 'i' })), false).object),
    ).toEqual(containers({ name: 'a', image: 'i' }));
  });

  test('tells one conflict in the known words', () => {
    const live = tracked(by('kubectl'), deployment({ replicas: 1 }));
    expect(() => applyObject(by('me', live), deployment({ replicas: 2 }), false)).toThrow(
      'Apply failed with 1 conflict: conflict with "kubectl" using apps/v1: .spec.replicas',
    );
    const { object } = applyObject(by('me', live), deployment({ replicas: 2 }), true);
    expect(specOf(object)).toEqual({ replicas: 2 });
    expect(object.metadata.managedFields?.map(entry => entry.manager)).toEqual(['me']);
  });

  test('tells several conflicts in the known words, with a cause each', () => {
    const live = applyObject(
      by('you'),
      deployment({ replicas: 1, ...containers({ name: 'a', image: 'i', ports: [{ containerPort: 80, name: 'p' }] }) }),
      false,
    ).object;
    const config = deployment({ replicas: 2, ...containers({ name: 'a', ports: [{ containerPort: 80, name: 'q' }] }) });
    expect(() => applyObject(by('me', live), config, false)).toThrow(
      expect.objectContaining({
        code: 409,
        message:
          'Apply failed with 2 conflicts: conflicts with "you":\n- .spec.replicas\n' +
          '- .spec.template.spec.containers[name="a"].ports[containerPort=80,protocol="TCP"].name',
        details: {
          causes: expect.arrayContaining([
            { reason: 'FieldManagerConflict', message: 'conflict with "you"', field: '.spec.replicas' },
          ]),
        },
      }),
    );
  });

  test('agreeing on a value is shared ownership, no conflict', () => {
    const live = applyObject(by('you'), deployment({ replicas: 1 }), false).object;
    const both = applyObject(by('me', live), deployment({ replicas: 1 }), false).object;
    expect(both.metadata.managedFields).toHaveLength(2);
    const left = applyObject(by('me', both), deployment({}), false).object;
    expect(specOf(left)).toEqual({ replicas: 1 });
  });

  test('what was written before the first apply belongs to before-first-apply', () => {
    const live = deployment({ replicas: 1, paused: true });
    expect(() => applyObject(by('me', live), deployment({ replicas: 2 }), false)).toThrow(
      'conflict with "before-first-apply" using apps/v1: .spec.replicas',
    );
  });

  test('kubectl does not conflict with its own client-side apply', () => {
    const config = deployment({ replicas: 1 });
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': JSON.stringify(config) };
    const live = tracked(by('kubectl-client-side-apply'), deployment({ replicas: 1 }, { annotations }));
    expect(specOf(applyObject(by('kubectl', live), deployment({ replicas: 3 }), false).object)).toEqual({
      replicas: 3,
    });
    const { object } = applyObject(by('kubectl', live), deployment({ replicas: 3 }), false);
    expect(JSON.parse(Object.values(object.metadata.annotations ?? {})[0] ?? '')).toMatchObject({
      spec: { replicas: 3 },
    });
    expect(applyObject(by('kubectl', object, LATER), deployment({ replicas: 3 }), false).changed).toBe(false);
    expect(() => applyObject(by('other', live), deployment({ replicas: 3 }), false)).toThrow('1 conflict');
  });

  test('subresources have managers of their own', () => {
    const live = applyObject(by('me'), deployment({ replicas: 1 }), false).object;
    const status = { ...live, status: { replicas: 1 } } as KubeObject;
    const change: Change = {
      schema,
      live,
      manager: 'me',
      apiVersion: 'apps/v1',
      subresource: 'status',
      now: NOW,
      ignored: [['spec']],
    };
    const entries = trackUpdate(change, status);
    expect(entries?.[1]).toMatchObject({
      operation: 'Update',
      subresource: 'status',
      fieldsV1: { 'f:status': { 'f:replicas': {} } },
    });
  });

  test.each([
    [deployment(containers({ image: 'x' })), 'omits key field "name"'],
    [deployment(containers({ name: 'a' }, { name: 'a' })), 'duplicate entries for key [name="a"]'],
    [deployment({}, { managedFields: [{ manager: 'x' }] }), 'metadata.managedFields must be nil'],
  ])('refuses a malformed configuration', (config, want) => {
    expect(() => applyObject(by('me'), config, true)).toThrow(want);
  });
});

describe('trackUpdate()', () => {
  test('owns what a create states, containers that Go leaves out included', () => {
    const object = deployment(
      { strategy: { rollingUpdate: { maxSurge: 1 } }, ...containers({ name: 'a' }) },
      { labels: { app: 'x' } },
    );
    expect(trackUpdate(by('kubectl'), object)?.[0]?.fieldsV1).toEqual({
      'f:metadata': { 'f:labels': { '.': {}, 'f:app': {} } },
      'f:spec': {
        'f:strategy': { 'f:rollingUpdate': { '.': {}, 'f:maxSurge': {} } },
        'f:template': { 'f:spec': { 'f:containers': { 'k:{"name":"a"}': { '.': {}, 'f:name': {} } } } },
      },
    });
  });

  test('takes fields from others, keeps entries that did not change', () => {
    const live = tracked(by('a'), deployment({ replicas: 1, paused: true }));
    const next = tracked(by('b', live, LATER), { ...live, spec: { replicas: 2, paused: true } } as KubeObject);
    expect(next.metadata.managedFields).toMatchObject([
      { manager: 'a', time: NOW, fieldsV1: { 'f:spec': { 'f:paused': {} } } },
      { manager: 'b', time: LATER, fieldsV1: { 'f:spec': { 'f:replicas': {} } } },
    ]);
    const same = tracked(by('b', next, '2026-01-01T00:02:00Z'), structuredClone(next));
    expect(same.metadata.managedFields).toEqual(next.metadata.managedFields);
  });

  test('removing a field ends its ownership', () => {
    const live = tracked(by('a'), deployment({ replicas: 1, ...containers({ name: 'a', image: 'i' }) }));
    const next = tracked(by('b', live), { ...live, spec: { replicas: 1 } } as KubeObject);
    expect(next.metadata.managedFields).toMatchObject([{ manager: 'a', fieldsV1: { 'f:spec': { 'f:replicas': {} } } }]);
    expect(JSON.stringify(next.metadata.managedFields)).not.toContain('containers');
  });

  test('an empty entry resets, an untracked object stays untracked', () => {
    const live = tracked(by('a'), deployment({ replicas: 1 }));
    expect(
      trackUpdate(by('b', live), { ...live, metadata: { ...live.metadata, managedFields: [{}] } }),
    ).toBeUndefined();
    expect(trackUpdate(by('b', deployment({})), deployment({ replicas: 1 }))).toBeUndefined();
  });

  test('many updaters become one', () => {
    let object = tracked(by('m0'), deployment({ replicas: 0 }, { labels: { l0: '' } }));
    for (let i = 1; i < 15; i++) {
      const next = structuredClone(object);
      next.metadata.labels = { ...next.metadata.labels, [`l${i}`]: '' };
      object = tracked(by(`m${i}`, object, `2026-01-01T00:00:${String(i + 10)}Z`), next);
    }
    expect(object.metadata.managedFields).toHaveLength(10);
    expect(object.metadata.managedFields?.[0]).toMatchObject({ manager: 'ancient-changes' });
  });
});

describe('what a live server of upstream showed', () => {
  const config = table.type('api/core/v1', 'ConfigMap');
  const map = (data: object | null | undefined, metadata: object = {}): KubeObject =>
    ({
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'x', ...metadata },
      ...(data === undefined ? {} : { data }),
    }) as KubeObject;
  const change = (manager: string, live?: KubeObject, now = NOW): Change => ({
    schema: config,
    live,
    manager,
    apiVersion: 'v1',
    now,
  });
  const dataOf = (object: KubeObject): unknown => (object as KubeObject & { data?: unknown }).data;
  const entry = (object: KubeObject, manager: string): Record<string, unknown> | undefined =>
    object.metadata.managedFields?.find(one => one.manager === manager) as Record<string, unknown> | undefined;

  test('null for a map is owned and changes nothing; null for a key is an empty value', () => {
    const live = applyObject(change('A'), map({ d: '1' }), false).object;
    const whole = applyObject(change('B', live), map(null), false).object;
    expect(dataOf(whole)).toEqual({ d: '1' });
    expect(entry(whole, 'B')?.['fieldsV1']).toEqual({ 'f:data': {} });
    const key = map({ d: null } as unknown as object);
    expect(() => applyObject(change('B', live), key, false)).toThrow('1 conflict: conflict with "A": .data.d');
    expect(dataOf(applyObject(change('B', live), key, true).object)).toEqual({ d: '' });
  });

  test('whoever applies nothing any more is forgotten, and without managers there are no managedFields', () => {
    const live = applyObject(change('A'), map({ d: '1' }), false).object;
    const { object } = applyObject(change('A', live), map(undefined), false);
    expect(dataOf(object)).toBeUndefined();
    expect(object.metadata.managedFields).toBeUndefined();
  });

  test('a value that was the own already is set now; what is only taken away changes no time', () => {
    const first = tracked(change('A'), map({ a: '1', b: '1' }));
    const second = tracked(change('A', first, LATER), { ...first, ...map({ a: '2', b: '1' }, first.metadata) });
    expect(entry(second, 'A')?.['time']).toBe(LATER);
    const third = tracked(change('A', first, LATER), { ...first, ...map({ a: '1' }, first.metadata) });
    expect(entry(third, 'A')).toMatchObject({ time: NOW, fieldsV1: { 'f:data': { '.': {}, 'f:a': {} } } });
  });

  test.each([
    ['an empty list', []],
    ['one empty entry', [{}]],
  ])('%s resets ownership, but not through a subresource', (_name, managedFields) => {
    const live = tracked(change('A'), map({ a: '1' }));
    const next = map({ a: '1' }, { managedFields });
    expect(trackUpdate(change('B', live), next)).toBeUndefined();
    expect(trackUpdate({ ...change('B', live), subresource: 'status' }, next)).toEqual(live.metadata.managedFields);
  });

  test.each([
    [{ manager: 'z', operation: 'Bad', apiVersion: 'v1', fieldsType: 'FieldsV1' }],
    [{ manager: 'z', operation: 'Update', fieldsType: 'FieldsV1' }],
    [{ manager: 'z', operation: 'Update', apiVersion: 'v1' }],
    [{ manager: 'z', operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV2' }],
  ])('an entry that cannot be read is ignored: %j', stated => {
    const live = tracked(change('A'), map({ a: '1' }));
    expect(trackUpdate(change('B', live), map({ a: '1' }, { managedFields: [stated] }))).toEqual(
      live.metadata.managedFields,
    );
  });

  test('of more than ten updaters the oldest become one', () => {
    let live = tracked(change('m0'), map({ k0: '' }));
    for (let i = 1; i < 15; i++) {
      const data = Object.fromEntries(Array.from({ length: i + 1 }, (_, j) => [`k${j}`, '']));
      live = tracked(change(`m${i}`, live, `2026-01-01T00:00:${String(i).padStart(2, '0')}Z`), {
        ...live,
        ...map(data, live.metadata),
      });
    }
    expect(live.metadata.managedFields).toHaveLength(10);
    expect(
      Object.keys((entry(live, 'ancient-changes')?.['fieldsV1'] as Record<string, object>)['f:data'] ?? {}),
    ).toEqual(['.', 'f:k0', 'f:k1', 'f:k2', 'f:k3', 'f:k4', 'f:k5']);
  });

  test('kubectl conflicts with itself over what somebody changed since its client-side apply', () => {
    const annotation = JSON.stringify(map({ a: '1' }));
    const annotations = { 'kubectl.kubernetes.io/last-applied-configuration': annotation };
    const live = tracked(change('kubectl-client-side-apply'), map({ a: '1' }, { annotations }));
    const changed = tracked(change('edit', live), { ...live, ...map({ a: '2' }, live.metadata) });
    expect(dataOf(applyObject(change('kubectl', live), map({ a: '3' }), false).object)).toEqual({ a: '3' });
    expect(() => applyObject(change('kubectl', changed), map({ a: '3' }), false)).toThrow(
      'conflict with "edit" using v1: .data.a',
    );
  });
});
