/**
 * The paths of kinds, with what clients read from them: the verb (`x-kubernetes-action`), the kind, and which query
 * parameters a patch takes (kubectl asks the document whether dry run and field validation are there).
 */
import type { KindInfo } from '../../../proto/api/kinds.ts';
import { apiTable } from '../../../proto/api/schema.ts';
import { definitionName } from './definition-names.ts';

export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'path' | 'body';
  readonly type: 'string' | 'boolean' | 'integer' | 'object';
  readonly description: string;
}

export interface Operation {
  readonly method: 'get' | 'put' | 'post' | 'delete' | 'patch';
  readonly action: string;
  readonly operationId: string;
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly parameters: readonly Parameter[];
  /** Definition of the request body and of the answer; undefined where it is not one of ours. */
  readonly body: string | undefined;
  readonly answer: string | undefined;
}

export interface Path {
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly operations: readonly Operation[];
}

const query = (name: string, type: Parameter['type'], description: string): Parameter => ({
  name,
  in: 'query',
  type,
  description,
});
const DRY_RUN = query('dryRun', 'string', 'All: do everything but store the result.');
const FIELD_MANAGER = query('fieldManager', 'string', 'Who makes the change.');
const FIELD_VALIDATION = query(
  'fieldValidation',
  'string',
  'What to do about unknown or doubled fields: Ignore, Warn or Strict.',
);
const FORCE = query('force', 'boolean', 'Take over fields that others manage; with apply patches only.');
const WRITE = [DRY_RUN, FIELD_MANAGER, FIELD_VALIDATION];
const LIST = [
  query('allowWatchBookmarks', 'boolean', 'Send bookmarks.'),
  query('continue', 'string', 'Token of the next page.'),
  query('fieldSelector', 'string', 'Only objects with these fields.'),
  query('labelSelector', 'string', 'Only objects with these labels.'),
  query('limit', 'integer', 'Objects a page.'),
  query('resourceVersion', 'string', 'How fresh the answer must be.'),
  query('resourceVersionMatch', 'string', 'What resourceVersion means.'),
  query('sendInitialEvents', 'boolean', 'A watch starts with what there is.'),
  query('timeoutSeconds', 'integer', 'Length of a watch.'),
  query('watch', 'boolean', 'Send changes as they happen.'),
];
const DELETE = [
  DRY_RUN,
  query('gracePeriodSeconds', 'integer', 'Time before the object goes.'),
  query('orphanDependents', 'boolean', 'Leave dependents alone.'),
  query('propagationPolicy', 'string', 'Orphan, Background or Foreground.'),
];
const NAME: Parameter = { name: 'name', in: 'path', type: 'string', description: 'Name of the object.' };
const NAMESPACE: Parameter = { name: 'namespace', in: 'path', type: 'string', description: 'Scope of the name.' };

/** All paths of one kind. */
export function pathsOf(info: KindInfo): Path[] {
  const root = info.group === '' ? `/api/${info.version}` : `/apis/${info.group}/${info.version}`;
  const base = info.namespaced ? `${root}/namespaces/{namespace}/${info.resource}` : `${root}/${info.resource}`;
  const scope = info.namespaced ? [NAMESPACE] : [];
  const make = operationMaker(info);
  const paths: Path[] = [
    {
      path: base,
      parameters: scope,
      operations: [
        make('get', 'list', LIST),
        make('post', 'post', WRITE),
        // Nobody may delete namespaces by the dozen.
        ...(info.group === '' && info.resource === 'namespaces'
          ? []
          : [make('delete', 'deletecollection', [...DELETE, ...LIST])]),
      ],
    },
    {
      path: `${base}/{name}`,
      parameters: [NAME, ...scope],
      operations: [
        make('get', 'get', []),
        make('put', 'put', WRITE),
        make('patch', 'patch', [...WRITE, FORCE]),
        make('delete', 'delete', DELETE),
      ],
    },
  ];
  if (info.namespaced)
    paths.push({ path: `${root}/${info.resource}`, parameters: LIST, operations: [make('get', 'list', [])] });
  if (hasStatus(info)) {
    paths.push({
      path: `${base}/{name}/status`,
      parameters: [NAME, ...scope],
      operations: [make('get', 'get', []), make('put', 'put', WRITE), make('patch', 'patch', [...WRITE, FORCE])],
    });
  }
  return paths;
}

function operationMaker({
  group,
  version,
  kind,
  typePackage,
}: KindInfo): (method: Operation['method'], action: string, parameters: readonly Parameter[]) => Operation {
  const known = apiTable[typePackage]?.[kind] !== undefined;
  const self = known ? definitionName(typePackage, kind) : undefined;
  const list = known ? definitionName(typePackage, `${kind}List`) : undefined;
  const meta = (name: string): string => definitionName('apimachinery/pkg/apis/meta/v1', name);
  return (method, action, parameters) => ({
    method,
    action,
    operationId: `${action}${group.split('.')[0] ?? ''}${version}${kind}`,
    group,
    version,
    kind,
    parameters,
    body:
      method === 'patch'
        ? meta('Patch')
        : method === 'delete'
          ? meta('DeleteOptions')
          : method === 'get'
            ? undefined
            : self,
    answer: action === 'list' ? list : method === 'delete' ? meta('Status') : self,
  });
}

function hasStatus({ typePackage, kind }: KindInfo): boolean {
  return apiTable[typePackage]?.[kind]?.fields?.some(field => field.name === 'status') === true;
}
