/** VolumeAttributesClasses. Source: Kubernetes `pkg/apis/storage` and `pkg/printers`, 1.36. */
import { forbiddenError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import type { VolumeAttributesClass } from '../../../../proto/api/storage-v1.ts';
import type { Column, Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkParameters, checkProvisioner } from './parameters.ts';

const DEFAULT_CLASS = 'volumeattributesclass.kubernetes.io/is-default-class';

export const volumeAttributesClassStrategy: Strategy<VolumeAttributesClass> = {
  info: kindInfo('storage.k8s.io', 'VolumeAttributesClass'),
  tracksGeneration: false,
  columns: [
    {
      ...(nameColumn as Column<VolumeAttributesClass>),
      cell: ({ metadata: { name = '', annotations } }) =>
        annotations?.[DEFAULT_CLASS] === 'true' ? `${name} (default)` : name,
    },
    column('DriverName', 'Driver that knows the parameters.', c => c.driverName ?? ''),
    ageColumn,
  ],
  allowUnconditionalUpdate: true,
  validate(vac) {
    const errors: FieldError[] = [];
    checkProvisioner(errors, 'driverName', vac.driverName);
    checkParameters(errors, vac.parameters, false);
    return errors;
  },
  validateUpdate(vac, older) {
    return (['driverName', 'parameters'] as const)
      .filter(field => !jsonEquals(vac[field] ?? {}, older[field] ?? {}))
      .map(field => forbiddenError(field, `updates to ${field} are forbidden.`));
  },
};
