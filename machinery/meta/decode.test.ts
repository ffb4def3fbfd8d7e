import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { apiTable } from '../../proto/api/schema.ts';
import { kinds } from '../../proto/api/kinds.ts';
import { checkObject, DecodeError } from './decode.ts';
import { SchemaTable } from './schema-table.ts';
import type { Schema } from './schema.ts';

const table = new SchemaTable(apiTable);
const deployment = table.type('api/apps/v1', 'Deployment');

function withContainer(container: object): object {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'x' },
    spec: { template: { spec: { containers: [container] } } },
  };
}

describe('checkObject()', () => {
  test('returns a clean object itself', () => {
    const object = withContainer({
      name: 'a',
      image: 'b',
      ports: [{ containerPort: 80 }],
      resources: { limits: { cpu: '1' } },
    });
    const decoded = checkObject(deployment, object);
    expect(decoded.value).toBe(object);
    expect(decoded.unknownFields).toEqual([]);
  });

  test('drops nulls and unknown fields, and tells the latter', () => {
    const object = { a: 1, ...withContainer({ name: 'a', foo: 1, image: null, env: [{ nam: 'x' }] }) };
    const decoded = checkObject(deployment, object);
    expect(decoded.unknownFields).toEqual([
      'a',
      'spec.template.spec.containers[0].foo',
      'spec.template.spec.containers[0].env[0].nam',
    ]);
    expect(decoded.value).toEqual(withContainer({ name: 'a', env: [{}] }));
    expect(object).toHaveProperty('a', 1);
  });

  test('drops several nulls of one object', () => {
    expect(checkObject(deployment, { metadata: null, spec: null, status: null, kind: 'Deployment' }).value).toEqual({
      kind: 'Deployment',
    });
  });

  test.each([
    [
      { spec: { replicas: 'x' } },
      'json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      { spec: { replicas: 1.5 } },
      'json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32',
    ],
    [
      withContainer({ env: [{ value: 1 }] }),
      'json: cannot unmarshal number into Go struct field EnvVar.spec.template.spec.containers.env.value of type string',
    ],
    [
      { metadata: { labels: { a: true } } },
      'json: cannot unmarshal bool into Go struct field ObjectMeta.metadata.labels.a of type string',
    ],
    [{ spec: [] }, 'json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec'],
    [
      withContainer({ ports: {} }),
      'json: cannot unmarshal object into Go struct field Container.spec.template.spec.containers.ports of type []v1.ContainerPort',
    ],
    [withContainer({ resources: { limits: { cpu: '1x' } } }), 'quantities must match the regular expression'],
    [{ metadata: { creationTimestamp: 'today' } }, 'parsing time "today"'],
    [[], 'json: cannot unmarshal array into Go value of type v1.Deployment'],
  ])('refuses %j', (object, want) => {
    expect(() => checkObject(deployment, object)).toThrow(want);
  });

  test('writes quantities and times in canonical form', () => {
    const limits = (cpu: unknown): object => withContainer({ name: 'a', resources: { limits: { cpu } } });
    expect(checkObject(deployment, limits('0.5')).value).toEqual(limits('500m'));
    expect(checkObject(deployment, limits(2)).value).toEqual(limits('2'));
    const { value } = checkObject(deployment, { metadata: { creationTimestamp: '2020-01-01T01:00:00.5+01:00' } });
    expect(value).toEqual({ metadata: { creationTimestamp: '2020-01-01T00:00:00Z' } });
  });

  test('treats prototype keys as unknown fields or map keys', () => {
    const object: unknown = JSON.parse(
      '{"__proto__":{"x":1},"constructor":1,"metadata":{"labels":{"__proto__":"a"},"annotations":null}}',
    );
    const { value, unknownFields } = checkObject(deployment, object);
    expect(unknownFields).toEqual(['__proto__', 'constructor']);
    expect(JSON.stringify(value)).toBe('{"metadata":{"labels":{"__proto__":"a"}}}');
  });

  test('keeps secrets as base64', () => {
    const secret = table.type('api/core/v1', 'Secret');
    expect(checkObject(secret, { data: { a: 'aGk=', b: null } }).value).toEqual({ data: { a: 'aGk=', b: '' } });
    expect(() => checkObject(secret, { data: { a: 'a$' } })).toThrow('illegal base64 data at input byte 1');
  });
});

test('checkObject() answers any JSON with a clean object or a DecodeError', () => {
  const pod = table.type('api/core/v1', 'Pod');
  const key = fc.constantFrom(
    'metadata',
    'spec',
    'containers',
    'name',
    'labels',
    'resources',
    'limits',
    'ports',
    'image',
    'env',
    '__proto__',
  );
  const any = fc.letrec(tie => ({
    node: fc.oneof(
      { maxDepth: 6 },
      fc.constantFrom('1', 'x', 1, 0.5, null, true),
      fc.array(tie('node'), { maxLength: 3 }),
      fc.dictionary(key, tie('node'), { maxKeys: 4, noNullPrototype: true }),
    ),
  })).node;
  fc.assert(
    fc.property(fc.dictionary(key, any, { noNullPrototype: true }), object => {
      const before = JSON.stringify(object);
      try {
        const once = checkObject(pod, object);
        // What came out clean stays as it is, and has nothing unknown in it.
        expect(checkObject(pod, once.value)).toEqual({ value: once.value, unknownFields: [] });
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
      expect(JSON.stringify(object)).toBe(before);
    }),
    { numRuns: 500 },
  );
});

test('SchemaTable compiles every kind to the leaves', () => {
  const seen = new Set<Schema>();
  const visit = (schema: Schema): void => {
    if (seen.has(schema)) return;
    seen.add(schema);
    if (schema.kind === 'struct') {
      expect(schema.fields.size).toBeGreaterThan(0);
      for (const field of schema.fields.values()) visit(field.schema);
    } else if (schema.kind === 'list') visit(schema.items);
    else if (schema.kind === 'map') visit(schema.values);
  };
  for (const kind of kinds) {
    const schema = table.type(kind.typePackage, kind.kind);
    expect(schema.kind).toBe('struct');
    visit(schema);
  }
});
