/** The OpenAPI v2 document. Source: swagger.io specification 2.0. */
import type { KindInfo } from '../../../proto/api/kinds.ts';
import type { JsonSchema } from './json-schema.ts';
import { kindDefinitions } from './kind-definitions.ts';
import { pathsOf, type Operation, type Parameter } from './paths.ts';

export const TITLE = 'Kubernetes';

export interface DocumentV2 {
  readonly swagger: '2.0';
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, unknown>>;
  readonly definitions: Readonly<Record<string, JsonSchema>>;
}

export function documentV2(kinds: readonly KindInfo[], version: string): DocumentV2 {
  const paths: Record<string, unknown> = {};
  for (const kind of kinds) {
    for (const { path, parameters, operations } of pathsOf(kind)) {
      const item: Record<string, unknown> = { parameters: parameters.map(parameterV2) };
      for (const operation of operations) item[operation.method] = operationV2(operation);
      paths[path] = item;
    }
  }
  const definitions = Object.fromEntries([...kindDefinitions(kinds, 'v2').all].sort(([a], [b]) => (a < b ? -1 : 1)));
  return { swagger: '2.0', info: { title: TITLE, version }, paths, definitions };
}

function operationV2({ action, operationId, group, version, kind, parameters, body, answer }: Operation): unknown {
  const bodies = body === undefined ? [] : [{ name: 'body', in: 'body', required: true, schema: ref(body) }];
  return {
    operationId,
    consumes: ['*/*'],
    produces: ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf'],
    schemes: ['https'],
    parameters: [...bodies, ...parameters.map(parameterV2)],
    responses: { '200': { description: 'OK', ...(answer === undefined ? {} : { schema: ref(answer) }) } },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': { group, kind, version },
  };
}

function parameterV2({ name, in: where, type, description }: Parameter): unknown {
  return { name, in: where, type, description, uniqueItems: true, ...(where === 'path' ? { required: true } : {}) };
}

function ref(name: string): JsonSchema {
  return { $ref: `#/definitions/${name}` };
}
