/** ResourceClaimTemplates. Source: Kubernetes `pkg/apis/resource` and `pkg/registry/resource/resourceclaimtemplate`, 1.36. */
import { type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { validateAnnotations, validateLabels } from '../../../../machinery/meta/object-meta-validation.ts';
import type { ResourceClaimTemplate } from '../../../../proto/api/resource-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkImmutable } from '../../../../machinery/validation/checks.ts';
import { checkDeviceClaim, defaultDeviceClaim } from './device-claim.ts';

const SPEC = FieldPath.of('spec');

export const resourceClaimTemplateStrategy: Strategy<ResourceClaimTemplate> = {
  info: kindInfo('resource.k8s.io', 'ResourceClaimTemplate'),
  tracksGeneration: false,
  columns: [nameColumn, ageColumn],
  allowUnconditionalUpdate: true,
  default({ spec }) {
    defaultDeviceClaim((spec.spec ??= {}).devices);
  },
  validateCreate({ spec }) {
    const errors: FieldError[] = [];
    errors.push(...validateAnnotations(spec.metadata?.annotations, SPEC.child('metadata', 'annotations')));
    errors.push(...validateLabels(spec.metadata?.labels, SPEC.child('metadata', 'labels')));
    checkDeviceClaim(errors, SPEC.child('spec', 'devices'), spec.spec.devices);
    return errors;
  },
  validateUpdate(template, older) {
    const errors: FieldError[] = [];
    checkImmutable(errors, SPEC, template.spec, older.spec);
    return errors;
  },
};
