/** ControllerRevisions. Source: Kubernetes `pkg/apis/apps/validation` and `pkg/printers`, 1.36. */
import { invalidError, requiredError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { controllerOf } from '../../../../machinery/meta/object.ts';
import type { ControllerRevision } from '../../../../proto/api/apps-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkImmutable, checkNonNegative } from '../../../../machinery/validation/checks.ts';

export const controllerRevisionStrategy: Strategy<ControllerRevision> = {
  info: kindInfo('apps', 'ControllerRevision'),
  tracksGeneration: false,
  columns: [
    nameColumn,
    column('Controller', 'Object whose state this is.', revision => {
      const owner = controllerOf(revision);
      if (owner === undefined) return '<none>';
      const group = owner.apiVersion.includes('/') ? `.${owner.apiVersion.split('/')[0] ?? ''}` : '';
      return `${owner.kind.toLowerCase()}${group}/${owner.name}`;
    }),
    column('Revision', 'Number of the state.', revision => revision.revision ?? 0),
    ageColumn,
  ],
  allowUnconditionalUpdate: true,
  validate(revision) {
    const errors: FieldError[] = [];
    checkNonNegative(errors, FieldPath.of('revision'), revision.revision);
    if (revision.data === undefined || revision.data === null) errors.push(requiredError('data', 'data is mandatory'));
    else if (typeof revision.data !== 'object') errors.push(invalidError('data', revision.data, 'must be an object'));
    return errors;
  },
  validateUpdate(revision, older) {
    const errors: FieldError[] = [];
    checkImmutable(errors, FieldPath.of('data'), revision.data, older.data);
    return errors;
  },
};
