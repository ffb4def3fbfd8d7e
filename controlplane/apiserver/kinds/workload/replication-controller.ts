/** ReplicationControllers. Source: Kubernetes `pkg/apis/core`, `pkg/registry/core/replicationcontroller`, 1.36. */
import { invalidError, requiredError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { selectorFromSet } from '../../../../machinery/meta/label-selector.ts';
import type { ReplicationController } from '../../../../proto/api/core-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, formatLabels, nameColumn, wide } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkAlwaysRestarts, checkPodTemplate, defaultPodTemplate, setSelectorText } from '../pod/pod-template.ts';
import { checkNonNegative } from '../../../../machinery/validation/checks.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { checkReplicaStatus } from './replica-status.ts';
import { containerColumns } from './workload-columns.ts';

const SPEC = FieldPath.of('spec');

export const replicationControllerStrategy: Strategy<ReplicationController> = {
  info: kindInfo('', 'ReplicationController'),
  tracksGeneration: true,
  defaultGarbageCollection: 'OrphanDependents',
  columns: [
    nameColumn,
    column('Desired', 'Pods that are wanted.', rc => rc.spec.replicas ?? 0, 'integer'),
    column('Current', 'Pods that exist.', rc => rc.status?.replicas ?? 0, 'integer'),
    column('Ready', 'Pods that are ready.', rc => rc.status?.readyReplicas ?? 0, 'integer'),
    ageColumn,
    ...containerColumns<ReplicationController>(rc => rc.spec.template),
    wide('Selector', 'Labels of the pods that belong to the object.', rc => formatLabels(rc.spec.selector)),
  ],
  allowUnconditionalUpdate: true,
  selectableFields: rc => ({ 'status.replicas': String(rc.status?.replicas ?? 0) }),
  default(rc) {
    const { spec, metadata } = rc;
    spec.replicas ??= 1;
    const labels = spec.template?.metadata?.labels;
    if (labels !== undefined) {
      if (Object.keys(spec.selector ?? {}).length === 0) spec.selector = { ...labels };
      if (Object.keys(metadata.labels ?? {}).length === 0) metadata.labels = { ...labels };
    }
    defaultPodTemplate(spec.template);
  },
  prepareForCreate(rc) {
    rc.status = { replicas: 0 };
  },
  prepareForUpdate(rc, older) {
    rc.status = older.status;
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    checkNonNegative(errors, SPEC.child('minReadySeconds'), spec.minReadySeconds);
    const selector = spec.selector ?? {};
    if (Object.keys(selector).length === 0) errors.push(requiredError(SPEC.child('selector')));
    checkNonNegative(errors, SPEC.child('replicas'), spec.replicas);
    const at = SPEC.child('template');
    if (spec.template === undefined) {
      errors.push(requiredError(at));
      return errors;
    }
    const labels = spec.template.metadata?.labels ?? {};
    if (Object.keys(selector).length > 0 && !selectorFromSet(selector).matches(labels)) {
      errors.push(invalidError(at.child('metadata', 'labels'), labels, '`selector` does not match template `labels`'));
    }
    checkPodTemplate(errors, at, spec.template);
    checkAlwaysRestarts(errors, at, spec.template, 'ReplicationController');
    return errors;
  },
  status: { prepareForUpdate: keepSpec, validateUpdate: rc => checkReplicaStatus(rc.status) },
  scale: {
    specReplicas: rc => rc.spec.replicas ?? 0,
    statusReplicas: rc => rc.status?.replicas ?? 0,
    selector: rc => setSelectorText(rc.spec.selector),
    setReplicas(rc, replicas) {
      rc.spec.replicas = replicas;
    },
  },
};
