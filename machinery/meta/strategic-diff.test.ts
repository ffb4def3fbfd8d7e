import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { apiTable } from '../../proto/api/schema.ts';
import type { JsonObject, JsonValue } from './json-value.ts';
import { SchemaTable } from './schema-table.ts';
import { StatusError } from './status-error.ts';
import { createStrategicMergePatch } from './strategic-diff.ts';
import { applyStrategicMergePatch } from './strategic-merge-patch.ts';

const schema = new SchemaTable(apiTable).type('api/core/v1', 'Pod');
const word = fc.constantFrom('a', 'b', 'c', 'd');
const named = (rest: Record<string, fc.Arbitrary<unknown>>): fc.Arbitrary<{ name: string }[]> =>
  fc.uniqueArray(fc.record({ name: word, ...rest }, { requiredKeys: ['name'] }) as fc.Arbitrary<{ name: string }>, {
    selector: i => i.name,
  });
const container = named({
  image: word,
  args: fc.array(word),
  env: named({ value: word }),
  resources: fc.record({ limits: fc.dictionary(word, word) }),
});
const volume = named({ emptyDir: fc.constant({}), hostPath: fc.record({ path: word }) });
const pod = fc.record(
  {
    metadata: fc.record(
      {
        labels: fc.dictionary(fc.oneof(word, fc.constant('__proto__')), word),
        finalizers: fc.uniqueArray(word),
        annotations: fc.dictionary(word, word),
      },
      { requiredKeys: [] },
    ),
    spec: fc.record(
      {
        containers: container,
        volumes: volume,
        hostname: word,
        securityContext: fc.record({ fsGroup: fc.nat() }, { requiredKeys: [] }),
      },
      { requiredKeys: [] },
    ),
  },
  { requiredKeys: [] },
) as unknown as fc.Arbitrary<JsonObject>;

test('a patch made from two objects leads from one to the other', () => {
  fc.assert(
    fc.property(pod, pod, (from, to) => {
      const patch = createStrategicMergePatch(from, to, schema);
      expect(applyStrategicMergePatch(from, patch, schema)).toEqual(to);
    }),
    { numRuns: 500 },
  );
});

test('equal objects give an empty patch', () => {
  fc.assert(
    fc.property(pod, object => expect(createStrategicMergePatch(object, structuredClone(object), schema)).toEqual({})),
  );
});

test('a patch says what kubectl would say', () => {
  const from = { spec: { containers: [{ name: 'a', image: '1' }, { name: 'b' }] } };
  const to = { spec: { containers: [{ name: 'a', image: '2' }] } };
  expect(createStrategicMergePatch(from, to, schema)).toEqual({
    spec: {
      $setElementOrder_containers: undefined,
      '$setElementOrder/containers': [{ name: 'a' }],
      containers: [
        { name: 'a', image: '2' },
        { name: 'b', $patch: 'delete' },
      ],
    },
  });
});

test('any patch gives an object without directives, or a StatusError', () => {
  const key = fc.constantFrom(
    'spec',
    'metadata',
    'containers',
    'name',
    'finalizers',
    '$patch',
    '$retainKeys',
    '$setElementOrder/containers',
    '$deleteFromPrimitiveList/finalizers',
    '__proto__',
  );
  const leaf = fc.constantFrom<JsonValue>('a', 1, null, 'delete', 'replace', true);
  const any = fc.letrec<{ node: JsonValue }>(tie => ({
    node: fc.oneof(
      { maxDepth: 4 },
      leaf,
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(key, tie('node'), { maxKeys: 4, noNullPrototype: true }),
    ),
  })).node;
  fc.assert(
    fc.property(pod, fc.dictionary(key, any, { noNullPrototype: true }), (document, patch) => {
      try {
        return !/"\$(patch|retainKeys|setElementOrder|deleteFrom)[^"]*":/.test(
          JSON.stringify(applyStrategicMergePatch(document, patch, schema)),
        );
      } catch (error) {
        return error instanceof StatusError && error.code === 400;
      }
    }),
    { numRuns: 1000 },
  );
});
