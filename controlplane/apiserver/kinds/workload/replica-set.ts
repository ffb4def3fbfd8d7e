/** ReplicaSets. Source: Kubernetes `pkg/apis/apps`, `pkg/registry/apps/replicaset`, 1.36. */
import { type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type { ReplicaSet } from '../../../../proto/api/apps-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import {
  checkAlwaysRestarts,
  checkPodTemplate,
  checkSelectsTemplate,
  defaultPodTemplate,
  selectorText,
} from '../pod/pod-template.ts';
import { checkImmutable, checkNonNegative } from '../../../../machinery/validation/checks.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { containerColumns, selectorColumn } from './workload-columns.ts';
import { checkReplicaStatus } from './replica-status.ts';

const SPEC = FieldPath.of('spec');

export const replicaSetStrategy: Strategy<ReplicaSet> = {
  info: kindInfo('apps', 'ReplicaSet'),
  tracksGeneration: true,
  columns: [
    nameColumn,
    column('Desired', 'Pods that are wanted.', set => set.spec.replicas ?? 0, 'integer'),
    column('Current', 'Pods that exist.', set => set.status?.replicas ?? 0, 'integer'),
    column('Ready', 'Pods that are ready.', set => set.status?.readyReplicas ?? 0, 'integer'),
    ageColumn,
    ...containerColumns<ReplicaSet>(set => set.spec.template),
    selectorColumn<ReplicaSet>(set => set.spec.selector),
  ],
  allowUnconditionalUpdate: true,
  default(set) {
    set.spec.replicas ??= 1;
    defaultPodTemplate(set.spec.template);
  },
  prepareForCreate(set) {
    set.status = { replicas: 0 };
  },
  prepareForUpdate(set, older) {
    set.status = older.status;
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    checkNonNegative(errors, SPEC.child('replicas'), spec.replicas);
    checkNonNegative(errors, SPEC.child('minReadySeconds'), spec.minReadySeconds);
    checkSelectsTemplate(errors, SPEC, spec.selector, spec.template, 'deployment');
    checkPodTemplate(errors, SPEC.child('template'), spec.template);
    checkAlwaysRestarts(errors, SPEC.child('template'), spec.template);
    return errors;
  },
  validateUpdate({ spec }, older) {
    const errors: FieldError[] = [];
    checkImmutable(errors, SPEC.child('selector'), spec.selector, older.spec.selector);
    return errors;
  },
  status: { prepareForUpdate: keepSpec, validateUpdate: set => checkReplicaStatus(set.status) },
  scale: {
    specReplicas: set => set.spec.replicas ?? 0,
    statusReplicas: set => set.status?.replicas ?? 0,
    selector: set => selectorText(set.spec.selector),
    setReplicas(set, replicas) {
      set.spec.replicas = replicas;
    },
  },
};
