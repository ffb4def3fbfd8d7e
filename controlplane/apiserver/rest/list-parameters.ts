/**
 * The query parameters of lists, watches and deletions of collections, read and checked, all errors at once.
 * Source: apimachinery `meta/internalversion/validation` (ValidateListOptions), 1.36.
 */
import { type FieldError, forbiddenError, notSupportedError } from '../../../machinery/meta/field-error.ts';
import { badRequest, invalid } from '../../../machinery/meta/status-error.ts';
import { isTrue } from '../server/request-info.ts';

export interface ListParameters {
  /** 0: everything. */
  readonly limit: number;
  readonly continue: string | undefined;
  readonly resourceVersion: string | undefined;
  readonly resourceVersionMatch: 'Exact' | 'NotOlderThan' | undefined;
  readonly labelSelector: string;
  readonly fieldSelector: string;
  readonly timeoutSeconds: number | undefined;
  readonly allowWatchBookmarks: boolean;
  readonly sendInitialEvents: boolean | undefined;
}

const LIST_OPTIONS = { group: 'meta.k8s.io', kind: 'ListOptions' };
const MATCH = 'resourceVersionMatch';

/** @throws StatusError Invalid, BadRequest */
export function listParameters(query: URLSearchParams, watch: boolean): ListParameters {
  const match = queryText(query, MATCH);
  const initial = query.get('sendInitialEvents');
  const given: Given = {
    match,
    resourceVersion: queryText(query, 'resourceVersion'),
    continue: queryText(query, 'continue'),
    sendInitialEvents: initial === null || initial === '' ? undefined : isTrue(initial),
  };
  const errors = watch ? watchErrors(given) : listErrors(given);
  if (queryText(query, 'shardSelector') !== undefined)
    errors.push(forbiddenError('shardSelector', 'lists and watches are not sharded by this server'));
  if (errors.length > 0) throw invalid(LIST_OPTIONS, '', errors);
  return {
    limit: queryInteger(query, 'limit') ?? 0,
    continue: given.continue,
    resourceVersion: given.resourceVersion,
    resourceVersionMatch: match as ListParameters['resourceVersionMatch'],
    labelSelector: query.get('labelSelector') ?? '',
    fieldSelector: query.get('fieldSelector') ?? '',
    timeoutSeconds: queryInteger(query, 'timeoutSeconds'),
    allowWatchBookmarks: isTrue(query.get('allowWatchBookmarks')),
    sendInitialEvents: given.sendInitialEvents,
  };
}

interface Given {
  readonly match: string | undefined;
  readonly resourceVersion: string | undefined;
  readonly continue: string | undefined;
  readonly sendInitialEvents: boolean | undefined;
}

function listErrors({ match, resourceVersion, continue: token, sendInitialEvents }: Given): FieldError[] {
  const errors: FieldError[] = [];
  if (match !== undefined) {
    if (resourceVersion === undefined)
      errors.push(forbiddenError(MATCH, 'resourceVersionMatch is forbidden unless resourceVersion is provided'));
    if (token !== undefined)
      errors.push(forbiddenError(MATCH, 'resourceVersionMatch is forbidden when continue is provided'));
    if (match !== 'Exact' && match !== 'NotOlderThan')
      errors.push(notSupportedError(MATCH, match, ['Exact', 'NotOlderThan', '']));
    if (match === 'Exact' && resourceVersion === '0')
      errors.push(forbiddenError(MATCH, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"'));
  }
  if (sendInitialEvents !== undefined)
    errors.push(forbiddenError('sendInitialEvents', 'sendInitialEvents is forbidden for list'));
  return errors;
}

function watchErrors({ match, continue: token, sendInitialEvents }: Given): FieldError[] {
  const errors: FieldError[] = [];
  if (sendInitialEvents !== undefined && match !== 'NotOlderThan')
    errors.push(forbiddenError(MATCH, 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan'));
  if (match === undefined) return errors;
  if (sendInitialEvents === undefined)
    errors.push(
      forbiddenError(MATCH, 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided'),
    );
  if (match !== 'NotOlderThan') errors.push(notSupportedError(MATCH, match, ['NotOlderThan']));
  if (token !== undefined)
    errors.push(forbiddenError(MATCH, 'resourceVersionMatch is forbidden when continue is provided'));
  return errors;
}

/** A parameter that says something; undefined for absent and empty ones. */
export function queryText(query: URLSearchParams, name: string): string | undefined {
  const value = query.get(name);
  return value === null || value === '' ? undefined : value;
}

/** @throws StatusError BadRequest when it is no integer */
export function queryInteger(query: URLSearchParams, name: string): number | undefined {
  const value = queryText(query, name);
  if (value === undefined) return undefined;
  const number = /^[+-]?\d+$/.test(value) ? Number(value) : NaN;
  if (!Number.isSafeInteger(number))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
  return number;
}
