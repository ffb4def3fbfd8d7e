/** PodTemplates. Source: Kubernetes `pkg/apis/core/validation` (pod templates) and `pkg/printers`, 1.36. */
import type { FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type { PodTemplate } from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { column, formatLabels, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkPodTemplate, defaultPodTemplate } from '../pod/pod-template.ts';

export const podTemplateStrategy: Strategy<PodTemplate> = {
  info: kindInfo('', 'PodTemplate'),
  tracksGeneration: true,
  columns: [
    nameColumn,
    column('Containers', 'Names of the containers.', t =>
      (t.template?.spec?.containers ?? []).map(c => c.name).join(','),
    ),
    column('Images', 'Images of the containers.', t =>
      (t.template?.spec?.containers ?? []).map(c => c.image ?? '').join(','),
    ),
    column('Pod Labels', 'Labels of pods made from the template.', t => formatLabels(t.template?.metadata?.labels)),
  ],
  allowUnconditionalUpdate: true,
  default(object) {
    defaultPodTemplate(object.template);
  },
  validate(object) {
    const errors: FieldError[] = [];
    checkPodTemplate(errors, FieldPath.of('template'), object.template);
    return errors;
  },
};
