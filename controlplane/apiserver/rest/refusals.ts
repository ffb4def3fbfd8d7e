/**
 * Answers to requests that no handler takes: paths that lead nowhere and methods that a path does not have.
 * Source: apiserver `pkg/server/handler.go` and go-restful's service errors, as clients see them.
 */
import { StatusError } from '../../../machinery/meta/status-error.ts';
import type { Response } from '../server/request.ts';

/** 404 in a group and version that are served. */
export function resourceNotFound(): StatusError {
  return new StatusError('NotFound', 404, 'the server could not find the requested resource', {});
}

/** 405 that names the methods that the path has. */
export function methodNotAllowed(allowed: readonly string[]): Response {
  const error = new StatusError(
    'MethodNotAllowed',
    405,
    'the server does not allow this method on the requested resource',
    {},
  );
  return { kind: 'object', status: error.code, object: error.toStatus(), headers: { allow: allowed.join(', ') } };
}

/** The methods that carry `verbs`, of a collection or of one object. */
export function methodsOf(verbs: readonly string[], named: boolean): string[] {
  if (verbs.includes('*')) return ['DELETE', 'GET', 'PATCH', 'POST', 'PUT'];
  const methods = named
    ? { delete: 'DELETE', get: 'GET', patch: 'PATCH', create: 'POST', update: 'PUT' }
    : { deletecollection: 'DELETE', list: 'GET', watch: 'GET', create: 'POST' };
  return [...new Set(Object.entries(methods).flatMap(([verb, method]) => (verbs.includes(verb) ? [method] : [])))];
}
