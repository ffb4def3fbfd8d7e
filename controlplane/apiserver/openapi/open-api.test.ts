import { describe, expect, test } from '@jest/globals';
import { kinds } from '../../../proto/api/kinds.ts';
import { OpenApi } from './open-api.ts';

interface Schema {
  $ref?: string;
  allOf?: Schema[];
  type?: string;
  items?: Schema;
  required?: string[];
  properties?: Record<string, Schema>;
  [extension: `x-${string}`]: unknown;
}

const openApi = new OpenApi(kinds, 'v1.36.0');
const v2 = JSON.parse(openApi.openApiV2Json().toString()) as {
  definitions: Record<string, Schema>;
  paths: Record<string, unknown>;
};
const core = JSON.parse((openApi.openApiV3('api/v1') ?? Buffer.from('{}')).toString()) as {
  components: { schemas: Record<string, Schema> };
  paths: Record<string, Record<string, Record<string, unknown>>>;
};

describe('OpenApi', () => {
  test('names definitions as upstream and marks kinds', () => {
    expect(v2.definitions['io.k8s.api.core.v1.Pod']?.['x-kubernetes-group-version-kind']).toEqual([
      { group: '', kind: 'Pod', version: 'v1' },
    ]);
  });

  test('carries merge keys', () => {
    const containers = v2.definitions['io.k8s.api.core.v1.PodSpec']?.properties?.['containers'];
    expect(containers).toMatchObject({
      type: 'array',
      'x-kubernetes-patch-merge-key': 'name',
      'x-kubernetes-patch-strategy': 'merge',
      'x-kubernetes-list-type': 'map',
      'x-kubernetes-list-map-keys': ['name'],
    });
    expect(v2.definitions['io.k8s.api.core.v1.PodSpec']?.required).toEqual(['containers']);
  });

  test.each([
    ['v2', v2.definitions],
    ['v3', core.components.schemas],
  ] as const)('%s resolves every reference', (_name, definitions) => {
    const text = JSON.stringify(definitions);
    for (const [, name = ''] of text.matchAll(/"\$ref":"#\/(?:definitions|components\/schemas)\/([^"]+)"/g)) {
      expect(Object.keys(definitions)).toContain(name);
    }
  });

  test('openApiV3() has the paths by which kubectl explain finds a kind', () => {
    expect(core.paths['/api/v1/namespaces/{namespace}/pods']?.['get']?.['x-kubernetes-group-version-kind']).toEqual({
      group: '',
      kind: 'Pod',
      version: 'v1',
    });
  });

  test('openApiV3Index() names every group and changes addresses when kinds change', () => {
    const index = JSON.parse(openApi.openApiV3Index().toString()) as {
      paths: Record<string, { serverRelativeURL: string }>;
    };
    expect(Object.keys(index.paths)).toContain('apis/apps/v1');
    expect(index.paths['api/v1']?.serverRelativeURL).toMatch(/^\/openapi\/v3\/api\/v1\?hash=[0-9A-F]{64}$/);
    const fewer = new OpenApi(kinds.slice(1), 'v1.36.0');
    expect(fewer.v3Hash('api/v1')).not.toBe(openApi.v3Hash('api/v1'));
    expect(fewer.v3Hash('apis/apps/v1')).toBe(openApi.v3Hash('apis/apps/v1'));
  });

  test('openApiV3() knows no other groups', () => {
    expect(openApi.openApiV3('apis/example.com/v1')).toBeUndefined();
  });

  test('openApiV2Proto() begins as a document does', () => {
    expect(openApi.openApiV2Proto().subarray(0, 5)).toEqual(Buffer.from([0x0a, 3, ...Buffer.from('2.0')]));
  });
});

describe('descriptions', () => {
  const documents = [
    ...new Set(kinds.map(kind => (kind.group === '' ? 'api/v1' : `apis/${kind.group}/${kind.version}`))),
  ];
  const described = documents.map(name => {
    const { components } = JSON.parse((openApi.openApiV3(name) ?? Buffer.from('{}')).toString()) as {
      components: { schemas: Record<string, Schema & { description?: string }> };
    };
    return components.schemas;
  });

  test('every kind says what it is', () => {
    const silent = described.flatMap(schemas =>
      Object.entries(schemas).filter(([, s]) => s['x-kubernetes-group-version-kind'] !== undefined && !s.description),
    );
    expect(silent.map(([name]) => name)).toEqual([]);
  });

  test('every field says what it means', () => {
    const silent = described.flatMap(schemas =>
      Object.entries(schemas).flatMap(([name, { properties = {} }]) =>
        Object.entries(properties).flatMap(([field, p]) =>
          (p as { description?: string }).description ? [] : [`${name}.${field}`],
        ),
      ),
    );
    expect([...new Set(silent)]).toEqual([]);
  });
});
