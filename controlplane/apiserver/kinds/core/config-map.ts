/** ConfigMaps. Source: Kubernetes `pkg/apis/core/validation` (ConfigMap), 1.36. */
import { forbiddenError, invalidError, tooLongError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { configMapKey } from '../../../../machinery/meta/value-shapes.ts';
import type { ConfigMap } from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkShape } from '../../../../machinery/validation/checks.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';

const DATA = FieldPath.of('data');
const BINARY = FieldPath.of('binaryData');
const MAX_BYTES = 1024 * 1024;

export const configMapStrategy: Strategy<ConfigMap> = {
  info: kindInfo('', 'ConfigMap'),
  tracksGeneration: false,
  columns: [nameColumn, column('Data', 'Number of keys.', map => count(map.data) + count(map.binaryData)), ageColumn],
  allowUnconditionalUpdate: true,
  validate(map) {
    const errors: FieldError[] = [];
    let bytes = 0;
    for (const [key, value] of Object.entries(map.data ?? {})) {
      checkShape(errors, DATA.key(key), key, configMapKey);
      if (map.binaryData !== undefined && Object.hasOwn(map.binaryData, key)) {
        errors.push(invalidError(DATA.key(key), key, 'duplicate of key present in binaryData'));
      }
      bytes += Buffer.byteLength(value);
    }
    for (const [key, value] of Object.entries(map.binaryData ?? {})) {
      checkShape(errors, BINARY.key(key), key, configMapKey);
      bytes += Buffer.byteLength(value, 'base64');
    }
    if (bytes > MAX_BYTES) errors.push(tooLongError('', MAX_BYTES));
    return errors;
  },
  validateUpdate(map, older) {
    const errors: FieldError[] = [];
    if (older.immutable !== true) return errors;
    const why = 'field is immutable when `immutable` is set';
    if (map.immutable !== true) errors.push(forbiddenError('immutable', why));
    if (!jsonEquals(map.data ?? {}, older.data ?? {})) errors.push(forbiddenError(DATA, why));
    if (!jsonEquals(map.binaryData ?? {}, older.binaryData ?? {})) errors.push(forbiddenError(BINARY, why));
    return errors;
  },
};

function count(map: Readonly<Record<string, string>> | undefined): number {
  return map === undefined ? 0 : Object.keys(map).length;
}
