/** DeviceClasses. Source: Kubernetes `pkg/apis/resource` and `pkg/registry/resource/deviceclass`, 1.36. */
import { invalidError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type { DeviceClass } from '../../../../proto/api/resource-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkList } from '../validation/list-rules.ts';
import { isExtendedResource } from '../../../../machinery/validation/resource-list.ts';
import { checkDeviceConfiguration, checkDeviceSelectors, MAX_CONFIGURATIONS } from './device-configuration.ts';

const SPEC = FieldPath.of('spec');

export const deviceClassStrategy: Strategy<DeviceClass> = {
  info: kindInfo('resource.k8s.io', 'DeviceClass'),
  tracksGeneration: true,
  columns: [nameColumn, ageColumn],
  allowUnconditionalUpdate: true,
  validate({ spec }) {
    const errors: FieldError[] = [];
    checkDeviceSelectors(errors, SPEC.child('selectors'), spec.selectors);
    checkList(errors, SPEC.child('config'), spec.config, {
      max: MAX_CONFIGURATIONS,
      check: (_, at, config) => checkDeviceConfiguration(errors, at, config),
    });
    const name = spec.extendedResourceName;
    if (name !== undefined && !isExtendedResource(name))
      errors.push(invalidError(SPEC.child('extendedResourceName'), name, 'must be a valid extended resource name'));
    return errors;
  },
};
