/**
 * What a client hears when its object does not fit the type. Source: apiserver `endpoints/handlers`, 1.36.
 */
import { goQuote } from './go-quote.ts';
import { badRequest, type StatusError } from './status-error.ts';

/** `unknown field "spec.foo"` and then `duplicate field "spec.bar"`: the texts of warnings, and the parts of a strict error. */
export function fieldProblems(unknownFields: readonly string[], duplicateFields: readonly string[]): string[] {
  return [
    ...unknownFields.map(field => `unknown field ${goQuote(field)}`),
    ...duplicateFields.map(field => `duplicate field ${goQuote(field)}`),
  ];
}

/** 400: `Pod in version "v1" cannot be handled as a Pod: json: cannot unmarshal ...`. */
export function decodeFailure(kind: string, version: string, problem: string): StatusError {
  return badRequest(`${kind} in version ${goQuote(version)} cannot be handled as a ${kind}: ${problem}`);
}

/** 400 for `fieldValidation=Strict`. */
export function strictFailure(kind: string, version: string, problems: readonly string[]): StatusError {
  return decodeFailure(kind, version, `strict decoding error: ${problems.join(', ')}`);
}
