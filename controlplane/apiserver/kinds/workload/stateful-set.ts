/** StatefulSets. Source: Kubernetes `pkg/apis/apps`, `pkg/registry/apps/statefulset`, 1.36. */
import { forbiddenError, invalidError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { deepCopy, jsonEquals } from '../../../../machinery/meta/json-value.ts';
import type { StatefulSet, StatefulSetSpec } from '../../../../proto/api/apps-v1.ts';
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
import { defaultClaimSpec } from '../pod/default-volumes.ts';
import { checkEnum, checkNonNegative } from '../validation/checks.ts';
import { checkAtMostHundred, checkIntOrPercent, isZeroIntOrPercent } from '../validation/int-or-percent.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { containerColumns } from './workload-columns.ts';

const SPEC = FieldPath.of('spec');
const MUTABLE = [
  'replicas',
  'ordinals',
  'template',
  'updateStrategy',
  'persistentVolumeClaimRetentionPolicy',
  'minReadySeconds',
  'revisionHistoryLimit',
] as const;

export const statefulSetStrategy: Strategy<StatefulSet> = {
  info: kindInfo('apps', 'StatefulSet'),
  tracksGeneration: true,
  columns: [
    nameColumn,
    column(
      'Ready',
      'Pods that are ready, of those wanted.',
      set => `${set.status?.readyReplicas ?? 0}/${set.spec.replicas ?? 0}`,
    ),
    ageColumn,
    ...containerColumns<StatefulSet>(set => set.spec.template),
  ],
  allowUnconditionalUpdate: true,
  default({ spec }) {
    spec.podManagementPolicy ||= 'OrderedReady';
    const strategy = (spec.updateStrategy ??= {});
    if (!strategy.type) {
      strategy.type = 'RollingUpdate';
      strategy.rollingUpdate ??= {};
    }
    if (strategy.type === 'RollingUpdate' && strategy.rollingUpdate !== undefined)
      strategy.rollingUpdate.partition ??= 0;
    const retention = (spec.persistentVolumeClaimRetentionPolicy ??= {});
    retention.whenDeleted ||= 'Retain';
    retention.whenScaled ||= 'Retain';
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    for (const claim of spec.volumeClaimTemplates ?? []) {
      claim.apiVersion ??= 'v1';
      claim.kind ??= 'PersistentVolumeClaim';
      claim.status ??= { phase: 'Pending' };
      defaultClaimSpec(claim.spec);
    }
    defaultPodTemplate(spec.template);
  },
  prepareForCreate(set) {
    set.status = { replicas: 0, availableReplicas: 0 };
  },
  prepareForUpdate(set, older) {
    set.status = older.status;
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    checkPolicies(errors, spec);
    checkNonNegative(errors, SPEC.child('replicas'), spec.replicas);
    checkNonNegative(errors, SPEC.child('minReadySeconds'), spec.minReadySeconds);
    checkNonNegative(errors, SPEC.child('ordinals', 'start'), spec.ordinals?.start);
    checkSelectsTemplate(errors, SPEC, spec.selector, spec.template, 'statefulset');
    checkPodTemplate(errors, SPEC.child('template'), spec.template);
    checkAlwaysRestarts(errors, SPEC.child('template'), spec.template);
    return errors;
  },
  validateUpdate({ spec }, older) {
    const munged = deepCopy(spec);
    for (const field of MUTABLE) {
      if (older.spec[field] === undefined) Reflect.deleteProperty(munged, field);
      else Object.assign(munged, { [field]: older.spec[field] });
    }
    if (jsonEquals(munged, older.spec)) return [];
    const why =
      "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
    return [forbiddenError(SPEC, why)];
  },
  status: { prepareForUpdate: keepSpec },
  scale: {
    specReplicas: set => set.spec.replicas ?? 0,
    statusReplicas: set => set.status?.replicas ?? 0,
    selector: set => selectorText(set.spec.selector),
    setReplicas(set, replicas) {
      set.spec.replicas = replicas;
    },
  },
};

function checkPolicies(errors: FieldError[], spec: StatefulSetSpec): void {
  checkEnum(errors, SPEC.child('podManagementPolicy'), spec.podManagementPolicy, ['OrderedReady', 'Parallel']);
  const at = SPEC.child('updateStrategy');
  const { type, rollingUpdate } = spec.updateStrategy ?? {};
  checkEnum(errors, at.child('type'), type, ['OnDelete', 'RollingUpdate']);
  if (type === 'OnDelete' && rollingUpdate !== undefined) {
    errors.push(
      invalidError(at.child('rollingUpdate'), rollingUpdate, "only allowed for updateStrategy 'RollingUpdate'"),
    );
  }
  if (type === 'RollingUpdate' && rollingUpdate !== undefined) {
    checkNonNegative(errors, at.child('rollingUpdate', 'partition'), rollingUpdate.partition);
    const { maxUnavailable } = rollingUpdate;
    const where = at.child('rollingUpdate', 'maxUnavailable');
    checkIntOrPercent(errors, where, maxUnavailable);
    checkAtMostHundred(errors, where, maxUnavailable);
    if (maxUnavailable !== undefined && isZeroIntOrPercent(maxUnavailable)) {
      errors.push(invalidError(where, maxUnavailable, 'cannot be 0'));
    }
  }
  const retention = spec.persistentVolumeClaimRetentionPolicy ?? {};
  for (const field of ['whenDeleted', 'whenScaled'] as const) {
    checkEnum(
      errors,
      SPEC.child('persistentVolumeClaimRetentionPolicy', field),
      retention[field],
      ['Delete', 'Retain'],
      'unsupported',
    );
  }
}
