/** Secrets. Source: Kubernetes `pkg/apis/core/validation` and `pkg/registry/core/secret`, 1.36. */
import {
  forbiddenError,
  invalidError,
  requiredError,
  tooLongError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { isJsonObject, jsonEquals } from '../../../../machinery/meta/json-value.ts';
import { configMapKey } from '../../../../machinery/meta/value-shapes.ts';
import type { Secret } from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkImmutable, checkShape, isBlank } from '../../../../machinery/validation/checks.ts';

const DATA = FieldPath.of('data');
const MAX_BYTES = 1024 * 1024;
const ACCOUNT_NAME = 'kubernetes.io/service-account.name';

export const secretStrategy: Strategy<Secret> = {
  info: kindInfo('', 'Secret'),
  tracksGeneration: false,
  columns: [
    nameColumn,
    column('Type', 'What the data is meant for.', secret => secret.type ?? ''),
    column('Data', 'Number of keys.', secret => Object.keys(secret.data ?? {}).length),
    ageColumn,
  ],
  allowUnconditionalUpdate: true,
  selectableFields: secret => ({ type: secret.type ?? '' }),
  default(secret) {
    secret.type ||= 'Opaque';
    if (secret.stringData === undefined) return;
    // Plain text is for writing alone: what is stored and read is always the encoded form.
    const data = (secret.data ??= {});
    for (const [key, text] of Object.entries(secret.stringData)) {
      Object.defineProperty(data, key, {
        value: Buffer.from(text).toString('base64'),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    delete secret.stringData;
  },
  prepareForUpdate(secret, older) {
    // Old clients leave the type out of an update; it stays what it was.
    if (isBlank(secret.type) && older.type !== undefined) secret.type = older.type;
  },
  validate(secret) {
    const errors: FieldError[] = [];
    let bytes = 0;
    for (const [key, value] of Object.entries(secret.data ?? {})) {
      checkShape(errors, DATA.key(key), key, configMapKey);
      bytes += Buffer.byteLength(value, 'base64');
    }
    if (bytes > MAX_BYTES) errors.push(tooLongError(DATA, MAX_BYTES));
    checkType(errors, secret);
    return errors;
  },
  validateUpdate(secret, older) {
    const errors: FieldError[] = [];
    checkImmutable(errors, FieldPath.of('type'), secret.type, older.type);
    if (older.immutable === true) {
      const why = 'field is immutable when `immutable` is set';
      if (secret.immutable !== true) errors.push(forbiddenError('immutable', why));
      if (!jsonEquals(secret.data ?? {}, older.data ?? {})) errors.push(forbiddenError(DATA, why));
    }
    return errors;
  },
};

function checkType(errors: FieldError[], secret: Secret): void {
  const data = secret.data ?? {};
  const need = (key: string): void => {
    if (!Object.hasOwn(data, key)) errors.push(requiredError(DATA.key(key)));
  };
  switch (secret.type) {
    case 'kubernetes.io/service-account-token':
      if (isBlank(secret.metadata.annotations?.[ACCOUNT_NAME])) {
        errors.push(requiredError(FieldPath.of('metadata', 'annotations').key(ACCOUNT_NAME)));
      }
      return;
    case 'kubernetes.io/dockercfg':
      checkJson(errors, data, '.dockercfg');
      return;
    case 'kubernetes.io/dockerconfigjson':
      checkJson(errors, data, '.dockerconfigjson');
      return;
    case 'kubernetes.io/basic-auth':
      // Either alone is allowed.
      if (Object.hasOwn(data, 'username') || Object.hasOwn(data, 'password')) return;
      need('username');
      need('password');
      return;
    case 'kubernetes.io/ssh-auth':
      if (isBlank(data['ssh-privatekey'])) errors.push(requiredError(DATA.key('ssh-privatekey')));
      return;
    case 'kubernetes.io/tls':
      need('tls.crt');
      need('tls.key');
      return;
    default:
  }
}

function checkJson(errors: FieldError[], data: Readonly<Record<string, string>>, key: string): void {
  const value = data[key];
  if (value === undefined) {
    errors.push(requiredError(DATA.key(key)));
    return;
  }
  try {
    const content: unknown = JSON.parse(Buffer.from(value, 'base64').toString('utf8'));
    if (content === null || isJsonObject(content)) return;
    const what = Array.isArray(content) ? 'array' : typeof content === 'boolean' ? 'bool' : typeof content;
    throw new Error(`json: cannot unmarshal ${what} into Go value of type map[string]interface {}`);
  } catch (error) {
    errors.push(invalidError(DATA.key(key), '<secret contents redacted>', jsonProblem(value, error as Error)));
  }
}

/** In upstream's words for what is seen most: text that is no JSON from its first character on, or that ends too soon. */
function jsonProblem(value: string, error: Error): string {
  const text = Buffer.from(value, 'base64').toString('utf8').trimStart();
  if (text === '' || error.message.startsWith('Unexpected end')) return 'unexpected end of JSON input';
  const [first = ''] = text;
  return /^[{["\dtfn-]/.test(first)
    ? error.message
    : `invalid character ${goRune(first)} looking for beginning of value`;
}

function goRune(character: string): string {
  return character === "'" ? "'\\''" : `'${character}'`;
}
