/** The OpenAPI v3 document of one group and version. Source: OpenAPI specification 3.0. */
import type { KindInfo } from '../../../proto/api/kinds.ts';
import { TITLE } from './document-v2.ts';
import type { JsonSchema } from './json-schema.ts';
import { kindDefinitions } from './kind-definitions.ts';
import { pathsOf, type Operation, type Parameter } from './paths.ts';

const PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
];

/** `kinds` are those of the group and version. */
export function documentV3(kinds: readonly KindInfo[], version: string): object {
  const paths: Record<string, unknown> = {};
  for (const kind of kinds) {
    for (const { path, parameters, operations } of pathsOf(kind)) {
      const item: Record<string, unknown> = { parameters: parameters.map(parameterV3) };
      for (const operation of operations) item[operation.method] = operationV3(operation);
      paths[path] = item;
    }
  }
  const schemas = Object.fromEntries([...kindDefinitions(kinds, 'v3').all].sort(([a], [b]) => (a < b ? -1 : 1)));
  return { openapi: '3.0.0', info: { title: TITLE, version }, paths, components: { schemas } };
}

function operationV3({
  method,
  action,
  operationId,
  group,
  version,
  kind,
  parameters,
  body,
  answer,
}: Operation): unknown {
  const types = method === 'patch' ? PATCH_TYPES : ['*/*'];
  return {
    operationId,
    parameters: parameters.map(parameterV3),
    ...(body === undefined ? {} : { requestBody: { content: content(types, body), required: method !== 'delete' } }),
    responses: {
      '200': { description: 'OK', ...(answer === undefined ? {} : { content: content(['application/json'], answer) }) },
    },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group, kind, version },
  };
}

function content(types: readonly string[], name: string): Record<string, { schema: JsonSchema }> {
  const schema = { $ref: `#/components/schemas/${name}` };
  return Object.fromEntries(types.map(type => [type, { schema }]));
}

function parameterV3({ name, in: where, type, description }: Parameter): unknown {
  return {
    name,
    in: where,
    description,
    schema: { type, uniqueItems: true },
    ...(where === 'path' ? { required: true } : {}),
  };
}
