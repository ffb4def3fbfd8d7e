/**
 * Options of writes and deletions, from the query and from DeleteOptions bodies, read and checked.
 * Source: apimachinery `meta/v1/validation` (Validate{Create,Update,Patch,Delete}Options), 1.36.
 */
import {
  type FieldError,
  forbiddenError,
  invalidError,
  notSupportedError,
  requiredError,
  tooLongError,
} from '../../../machinery/meta/field-error.ts';
import { isJsonObject } from '../../../machinery/meta/json-value.ts';
import { badRequest, invalid } from '../../../machinery/meta/status-error.ts';
import type { Propagation } from '../registry/deletion-plan.ts';
import type { DeletionOptions } from '../registry/delete-object.ts';
import type { Exchange } from '../server/exchange.ts';
import { isTrue } from '../server/request-info.ts';
import { header } from '../server/request.ts';
import { queryInteger, queryText } from './list-parameters.ts';

export interface WriteQuery {
  readonly dryRun: boolean;
  readonly fieldManager: string;
  readonly fieldValidation: 'Ignore' | 'Warn' | 'Strict';
}

const FIELD_VALIDATION = ['', 'Ignore', 'Strict', 'Warn'];
const PROPAGATION = ['Foreground', 'Background', 'Orphan'];
const MAX_MANAGER_BYTES = 128;
/** What Go's unicode.IsPrint takes for unprintable. */
const UNPRINTABLE = /[\p{C}\p{Z}]/u;
const KINDS: Readonly<Record<string, string>> = { update: 'UpdateOptions', patch: 'PatchOptions' };

/** @throws StatusError Invalid */
export function writeQuery(exchange: Exchange): WriteQuery {
  const { query, rawQuery } = exchange.request;
  if (rawQuery === '') return { dryRun: false, fieldManager: defaultManager(exchange), fieldValidation: 'Warn' };
  const fieldValidation = query.get('fieldValidation') ?? '';
  const manager = query.get('fieldManager') ?? '';
  const dryRun = query.getAll('dryRun');
  const errors = [...managerErrors(manager), ...dryRunErrors(dryRun)];
  if (!FIELD_VALIDATION.includes(fieldValidation))
    errors.push(notSupportedError('fieldValidation', fieldValidation, FIELD_VALIDATION));
  if (errors.length > 0) throw optionsInvalid(exchange, errors);
  return {
    dryRun: dryRun.length > 0,
    fieldManager: manager === '' ? defaultManager(exchange) : manager,
    fieldValidation: fieldValidation === '' ? 'Warn' : (fieldValidation as WriteQuery['fieldValidation']),
  };
}

/** What only patches have: `force`, and that an apply names its manager. @throws StatusError Invalid */
export function patchForce(exchange: Exchange, isApply: boolean): boolean {
  const { query, identity } = exchange.request;
  const force = query.get('force');
  if (!isApply && force !== null)
    throw optionsInvalid(exchange, [forbiddenError('force', 'may not be specified for non-apply patch')]);
  // Who lives in this process has a name of its own.
  if (isApply && identity === undefined && queryText(query, 'fieldManager') === undefined)
    throw optionsInvalid(exchange, [requiredError('fieldManager', 'is required for apply patch')]);
  return isTrue(force);
}

function optionsInvalid({ info }: Exchange, errors: readonly FieldError[]): Error {
  return invalid({ group: 'meta.k8s.io', kind: KINDS[info.verb] ?? 'CreateOptions' }, '', errors);
}

/** The first word of the user agent, up to its slash. */
function defaultManager({ request, user }: Exchange): string {
  if (request.identity !== undefined) return user.name.slice(user.name.lastIndexOf(':') + 1);
  const agent = header(request, 'user-agent') ?? '';
  const name = agent.split('/', 1)[0]?.trim() ?? '';
  return name === '' ? 'unknown' : name.slice(0, MAX_MANAGER_BYTES);
}

function managerErrors(manager: string): FieldError[] {
  const errors: FieldError[] = [];
  if (Buffer.byteLength(manager) > MAX_MANAGER_BYTES) errors.push(tooLongError('fieldManager', MAX_MANAGER_BYTES));
  let at = 0;
  for (const character of manager) {
    if (character !== ' ' && UNPRINTABLE.test(character)) {
      const code = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
      errors.push(invalidError('fieldManager', manager, `invalid character U+${code} (at position ${at})`));
    }
    at += Buffer.byteLength(character);
  }
  return errors;
}

function dryRunErrors(values: readonly string[]): FieldError[] {
  return values.every(value => value === 'All') ? [] : [notSupportedError('dryRun', values, ['All'])];
}

const DELETE_OPTIONS = { group: 'meta.k8s.io', kind: 'DeleteOptions' };

/**
 * From the body, and from the query for what the body does not say.
 * @throws StatusError BadRequest, Invalid
 */
export function deletionOptions(query: URLSearchParams, body: unknown): DeletionOptions & { dryRun: boolean } {
  const given: Record<string, unknown> = isJsonObject(body) ? body : {};
  const { kind } = given;
  if (kind !== undefined && kind !== '' && kind !== 'DeleteOptions')
    throw badRequest(
      `${String(kind)} in version ${JSON.stringify(given['apiVersion'] ?? '')} cannot be handled as a DeleteOptions`,
    );
  const grace = given['gracePeriodSeconds'] ?? queryInteger(query, 'gracePeriodSeconds');
  const orphan =
    given['orphanDependents'] ?? (query.has('orphanDependents') ? isTrue(query.get('orphanDependents')) : undefined);
  const policy = given['propagationPolicy'] ?? queryText(query, 'propagationPolicy');
  const dryRun = Array.isArray(given['dryRun']) ? given['dryRun'].map(String) : query.getAll('dryRun');
  const errors: FieldError[] = [];
  if (policy !== undefined && orphan !== undefined)
    errors.push(
      invalidError('propagationPolicy', policy, 'orphanDependents and deletionPropagation cannot be both set'),
    );
  if (policy !== undefined && !PROPAGATION.includes(policy as string))
    errors.push(notSupportedError('propagationPolicy', policy, [...PROPAGATION, 'nil']));
  errors.push(...dryRunErrors(dryRun));
  if (given['ignoreStoreReadErrorWithClusterBreakingPotential'] === true) {
    const why = 'this server deletes no objects that it cannot read';
    errors.push(forbiddenError('ignoreStoreReadErrorWithClusterBreakingPotential', why));
  }
  if (errors.length > 0) throw invalid(DELETE_OPTIONS, '', errors);
  if (grace !== undefined && (typeof grace !== 'number' || !Number.isSafeInteger(grace)))
    throw badRequest('gracePeriodSeconds must be an integer');
  const preconditions = isJsonObject(given['preconditions'])
    ? (given['preconditions'] as { uid?: string; resourceVersion?: string })
    : undefined;
  return {
    // Upstream takes a negative grace period for one second.
    gracePeriodSeconds: grace === undefined ? undefined : grace < 0 ? 1 : grace,
    propagationPolicy:
      (policy as Propagation | undefined) ??
      (orphan === undefined ? undefined : orphan === true ? 'Orphan' : 'Background'),
    preconditions,
    dryRun: dryRun.length > 0,
  };
}
