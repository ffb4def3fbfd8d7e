/** LimitRanges. Source: Kubernetes `pkg/apis/core` (limit ranges), 1.36. */
import { duplicateError, invalidError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { qualifiedName } from '../../../../machinery/meta/names.ts';
import type { LimitRange } from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { createdAtColumn, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkShape } from '../../../../machinery/validation/checks.ts';
import { checkLimitItem } from './limit-item.ts';

const LIMITS = FieldPath.of('spec', 'limits');
const TYPES = ['Container', 'PersistentVolumeClaim', 'Pod'];

export const limitRangeStrategy: Strategy<LimitRange> = {
  info: kindInfo('', 'LimitRange'),
  tracksGeneration: false,
  columns: [nameColumn, createdAtColumn],
  allowUnconditionalUpdate: true,
  default({ spec }) {
    for (const item of spec.limits ?? []) {
      if (item.type !== 'Container') continue;
      // What is not said follows from what is: a default limit from max, a default request from that or from min.
      if (item.max !== undefined) item.default = { ...item.max, ...item.default };
      const request = { ...item.min, ...item.default, ...item.defaultRequest };
      if (Object.keys(request).length > 0) item.defaultRequest = request;
    }
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    const types = new Set<string>();
    for (const [i, item] of (spec.limits ?? []).entries()) {
      const at = LIMITS.index(i);
      checkType(errors, at.child('type'), item.type ?? '');
      if (types.has(item.type)) errors.push(duplicateError(at.child('type'), item.type));
      types.add(item.type);
      checkLimitItem(errors, at, item);
    }
    return errors;
  },
};

function checkType(errors: FieldError[], path: FieldPath, type: string): void {
  const before = errors.length;
  checkShape(errors, path, type, qualifiedName);
  if (errors.length === before && !type.includes('/') && !TYPES.includes(type))
    errors.push(invalidError(path, type, 'must be a standard limit type or fully qualified'));
}
