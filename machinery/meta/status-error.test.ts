import { expect, test } from '@jest/globals';
import {
  duplicateError,
  invalidError,
  notSupportedError,
  requiredError,
  tooLongError,
  tooManyError,
} from './field-error.ts';
import { FieldPath } from './field-path.ts';
import { alreadyExists, conflict, forbidden, internalError, invalid, notFound } from './status-error.ts';
import { absent, isConflict, isNotFound, statusErrorFrom } from './status-error-from.ts';

const pods = { group: '', resource: 'pods' };
const deployments = { group: 'apps', resource: 'deployments' };

test.each([
  [notFound(pods, 'x'), 404, 'pods "x" not found'],
  [alreadyExists(deployments, 'x'), 409, 'deployments.apps "x" already exists'],
  [
    conflict(deployments, 'x'),
    409,
    'Operation cannot be fulfilled on deployments.apps "x": the object has been modified; please apply your changes to the latest version and try again',
  ],
  [forbidden(pods, '', 'no'), 403, 'pods is forbidden: no'],
  [forbidden(pods, 'x', 'no'), 403, 'pods "x" is forbidden: no'],
  [internalError(new Error('boom')), 500, 'Internal error occurred: boom'],
])('%s', (error, code, message) => {
  expect([error.code, error.message]).toEqual([code, message]);
  const back = statusErrorFrom(JSON.parse(JSON.stringify(error.toStatus())));
  expect(back.toStatus()).toEqual(error.toStatus());
});

test('invalid() tells all errors at once, each as a cause', () => {
  const spec = FieldPath.of('spec');
  const errors = [
    requiredError(spec.child('containers').index(0).child('image')),
    invalidError(FieldPath.of('metadata', 'labels').key('app'), 'a b', 'bad'),
    notSupportedError(spec.child('type'), 'x', ['b', 'a']),
    duplicateError(spec.child('ports').index(1), { port: 1 }),
    tooLongError(spec.child('a'), 63),
    tooManyError(spec.child('b'), 3, 1),
  ];
  const error = invalid({ group: 'apps', kind: 'Deployment' }, 'x', errors);
  expect(error.message).toBe(
    'Deployment.apps "x" is invalid: [spec.containers[0].image: Required value, ' +
      'metadata.labels[app]: Invalid value: "a b": bad, spec.type: Unsupported value: "x": supported values: "b", "a", ' +
      'spec.ports[1]: Duplicate value: {"port":1}, spec.a: Too long: may not be more than 63 bytes, ' +
      'spec.b: Too many: 3: must have at most 1 item]',
  );
  expect(error.details?.causes?.[0]).toEqual({
    reason: 'FieldValueRequired',
    message: 'Required value',
    field: 'spec.containers[0].image',
  });
});

test('predicates look at the reason', () => {
  expect(isNotFound(notFound(pods, 'x'))).toBe(true);
  expect(isConflict(alreadyExists(pods, 'x'))).toBe(false);
  expect(isNotFound(new Error('pods "x" not found'))).toBe(false);
  expect(statusErrorFrom('<html>', 503).reason).toBe('ServiceUnavailable');
});

test('absent() takes what is not there for undefined, and nothing else', async () => {
  await expect(Promise.reject(notFound({ group: '', resource: 'pods' }, 'p')).catch(absent)).resolves.toBeUndefined();
  await expect(Promise.reject(internalError('boom')).catch(absent)).rejects.toThrow('boom');
});
