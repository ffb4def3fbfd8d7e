/**
 * Query parameters and DeleteOptions bodies, read and checked. Source: apimachinery `meta/v1` ListOptions, DeleteOptions and their validation.
 */
import { invalidError, notSupportedError, forbiddenError } from '../../../machinery/meta/field-error.ts';
import { isJsonObject } from '../../../machinery/meta/json-value.ts';
import { badRequest, invalid } from '../../../machinery/meta/status-error.ts';
import type { Propagation } from '../registry/deletion-plan.ts';
import type { DeletionOptions } from '../registry/delete-object.ts';
import type { Exchange } from '../server/exchange.ts';
import { isTrue } from '../server/request-info.ts';
import { header } from '../server/request.ts';

export interface WriteQuery {
  readonly dryRun: boolean;
  readonly fieldManager: string;
  readonly fieldValidation: 'Ignore' | 'Warn' | 'Strict';
}

const OPTIONS = { group: 'meta.k8s.io', kind: 'CreateOptions' };
const FIELD_VALIDATION = ['Ignore', 'Strict', 'Warn'];
const PROPAGATION = ['Background', 'Foreground', 'Orphan'];

export function writeQuery(exchange: Exchange): WriteQuery {
  const { query } = exchange.request;
  if (exchange.request.rawQuery === '')
    return { dryRun: false, fieldManager: defaultManager(exchange), fieldValidation: 'Warn' };
  const fieldValidation = query.get('fieldValidation') ?? '';
  if (fieldValidation !== '' && !FIELD_VALIDATION.includes(fieldValidation)) {
    throw invalid(OPTIONS, '', [notSupportedError('fieldValidation', fieldValidation, FIELD_VALIDATION)]);
  }
  const manager = query.get('fieldManager') ?? '';
  if (manager.length > 128)
    throw invalid(OPTIONS, '', [invalidError('fieldManager', manager, 'may not be more than 128 bytes')]);
  return {
    dryRun: dryRunOf(query.getAll('dryRun')),
    fieldManager: manager === '' ? defaultManager(exchange) : manager,
    fieldValidation: fieldValidation === '' ? 'Warn' : (fieldValidation as WriteQuery['fieldValidation']),
  };
}

/** The first word of the user agent, up to its slash. */
function defaultManager({ request, user }: Exchange): string {
  if (request.identity !== undefined) return user.name.slice(user.name.lastIndexOf(':') + 1);
  const agent = header(request, 'user-agent') ?? '';
  const name = agent.split('/', 1)[0]?.trim() ?? '';
  return name === '' ? 'unknown' : name.slice(0, 128);
}

function dryRunOf(values: readonly string[]): boolean {
  const given = values.filter(v => v !== '');
  if (given.some(v => v !== 'All')) throw invalid(OPTIONS, '', [notSupportedError('dryRun', given, ['All'])]);
  return given.length > 0;
}

export interface ListParameters {
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

export function listParameters(query: URLSearchParams, watch: boolean): ListParameters {
  const match = text(query, 'resourceVersionMatch');
  if (match !== undefined && match !== 'Exact' && match !== 'NotOlderThan') {
    throw invalid(LIST_OPTIONS, '', [notSupportedError('resourceVersionMatch', match, ['Exact', 'NotOlderThan', ''])]);
  }
  const resourceVersion = text(query, 'resourceVersion');
  const initial = query.get('sendInitialEvents');
  const sendInitialEvents = initial === null || initial === '' ? undefined : isTrue(initial);
  checkMatch(watch, match, resourceVersion, sendInitialEvents);
  if (text(query, 'shardSelector') !== undefined)
    throw invalid(LIST_OPTIONS, '', [
      forbiddenError('shardSelector', 'lists and watches are not sharded by this server'),
    ]);
  return {
    limit: integer(query, 'limit') ?? 0,
    continue: text(query, 'continue'),
    resourceVersion,
    resourceVersionMatch: match,
    labelSelector: query.get('labelSelector') ?? '',
    fieldSelector: query.get('fieldSelector') ?? '',
    timeoutSeconds: integer(query, 'timeoutSeconds'),
    allowWatchBookmarks: isTrue(query.get('allowWatchBookmarks')),
    sendInitialEvents,
  };
}

function checkMatch(
  watch: boolean,
  match: string | undefined,
  resourceVersion: string | undefined,
  initial: boolean | undefined,
): void {
  const refuse = (field: string, why: string): never => {
    throw invalid(LIST_OPTIONS, '', [forbiddenError(field, why)]);
  };
  if (!watch) {
    if (initial !== undefined) refuse('sendInitialEvents', 'sendInitialEvents is forbidden for list');
    if (match !== undefined && resourceVersion === undefined)
      refuse('resourceVersionMatch', 'resourceVersionMatch is forbidden unless resourceVersion is provided');
    if (match === 'Exact' && resourceVersion === '0')
      refuse('resourceVersionMatch', 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"');
    return;
  }
  if (initial !== undefined && match !== 'NotOlderThan') {
    refuse('resourceVersionMatch', 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan');
  }
  if (initial === undefined && match !== undefined)
    refuse('resourceVersionMatch', 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided');
}

function text(query: URLSearchParams, name: string): string | undefined {
  const value = query.get(name);
  return value === null || value === '' ? undefined : value;
}

function integer(query: URLSearchParams, name: string): number | undefined {
  const value = text(query, name);
  if (value === undefined) return undefined;
  const number = Number(value);
  if (!Number.isSafeInteger(number))
    throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
  return number;
}

const DELETE_OPTIONS = { group: 'meta.k8s.io', kind: 'DeleteOptions' };

/** From the body if there is one, from the query otherwise. */
export function deletionOptions(query: URLSearchParams, body: unknown): DeletionOptions & { dryRun: boolean } {
  const given: Record<string, unknown> = isJsonObject(body) ? body : {};
  const grace = given['gracePeriodSeconds'] ?? integer(query, 'gracePeriodSeconds');
  const orphan =
    given['orphanDependents'] ?? (query.has('orphanDependents') ? isTrue(query.get('orphanDependents')) : undefined);
  const policy = given['propagationPolicy'] ?? text(query, 'propagationPolicy');
  if (policy !== undefined && !PROPAGATION.includes(policy as string)) {
    throw invalid(DELETE_OPTIONS, '', [notSupportedError('propagationPolicy', policy, [...PROPAGATION, 'nil'])]);
  }
  if (policy !== undefined && orphan !== undefined) {
    throw invalid(DELETE_OPTIONS, '', [
      invalidError('propagationPolicy', policy, 'orphanDependents and deletionPropagation cannot be both set'),
    ]);
  }
  if (grace !== undefined && (typeof grace !== 'number' || !Number.isSafeInteger(grace)))
    throw badRequest('gracePeriodSeconds must be an integer');
  if (given['ignoreStoreReadErrorWithClusterBreakingPotential'] === true) {
    const why = 'this server deletes no objects that it cannot read';
    throw invalid(DELETE_OPTIONS, '', [forbiddenError('ignoreStoreReadErrorWithClusterBreakingPotential', why)]);
  }
  const preconditions = isJsonObject(given['preconditions'])
    ? (given['preconditions'] as { uid?: string; resourceVersion?: string })
    : undefined;
  const dryRun = given['dryRun'];
  return {
    // Upstream takes a negative grace period for one second.
    gracePeriodSeconds: grace === undefined ? undefined : grace < 0 ? 1 : grace,
    propagationPolicy:
      (policy as Propagation | undefined) ??
      (orphan === undefined ? undefined : orphan === true ? 'Orphan' : 'Background'),
    preconditions,
    dryRun: dryRunOf(Array.isArray(dryRun) ? dryRun.map(String) : query.getAll('dryRun')),
  };
}
