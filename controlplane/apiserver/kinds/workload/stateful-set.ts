/** StatefulSets. Source: Kubernetes `pkg/apis/apps`, `pkg/registry/apps/statefulset`, 1.36. */
import {
  forbiddenError,
  invalidError,
  invalidPlainError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { dns1035Label, dns1123Label } from '../../../../machinery/meta/names.ts';
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
import { defaultClaimSpec } from '../../../../machinery/pods/default-volumes.ts';
import { checkEnum, checkNonNegative, checkOptional, isBlank } from '../../../../machinery/validation/checks.ts';
import { checkClaimSpec } from '../../../../machinery/validation/claim-spec.ts';
import { checkAtMostHundred, checkIntOrPercent, isZeroIntOrPercent } from '../validation/int-or-percent.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import type { PodTemplateSpec } from '../../../../proto/api/core-v1.ts';
import { checkCollisions } from './replica-status.ts';
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
  // Pods are named after the set and an ordinal, and that name is their host's.
  validateName: dns1123Label,
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
    checkPodTemplate(errors, SPEC.child('template'), withClaims(spec));
    checkAlwaysRestarts(errors, SPEC.child('template'), spec.template, 'StatefulSet');
    return errors;
  },
  validateCreate({ spec }) {
    const errors: FieldError[] = [];
    checkOptional(errors, SPEC.child('serviceName'), spec.serviceName, dns1035Label);
    for (const [i, claim] of (spec.volumeClaimTemplates ?? []).entries())
      checkClaimSpec(errors, SPEC.child('volumeClaimTemplates').index(i).child('spec'), claim.spec ?? {});
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
  status: { prepareForUpdate: keepSpec, validateUpdate: checkStatus },
  scale: {
    specReplicas: set => set.spec.replicas ?? 0,
    statusReplicas: set => set.status?.replicas ?? 0,
    selector: set => selectorText(set.spec.selector),
    setReplicas(set, replicas) {
      set.spec.replicas = replicas;
    },
  },
};

/** The template as its pods will be: each has a volume of each claim's name. */
function withClaims({ template, volumeClaimTemplates }: StatefulSetSpec): PodTemplateSpec | undefined {
  if (template?.spec === undefined) return template;
  const claims = (volumeClaimTemplates ?? []).map(({ metadata }) => ({
    name: metadata?.name ?? '',
    persistentVolumeClaim: { claimName: metadata?.name ?? '' },
  }));
  const names = new Set(claims.map(({ name }) => name));
  const volumes = (template.spec.volumes ?? []).filter(({ name }) => !names.has(name));
  return { ...template, spec: { ...template.spec, volumes: [...volumes, ...claims] } };
}

function checkStatus({ status }: StatefulSet, older: StatefulSet): FieldError[] {
  const errors: FieldError[] = [];
  const at = FieldPath.of('status');
  const {
    replicas = 0,
    readyReplicas = 0,
    currentReplicas = 0,
    updatedReplicas = 0,
    availableReplicas = 0,
  } = status ?? {};
  const counts = { readyReplicas, currentReplicas, updatedReplicas, availableReplicas };
  for (const [name, count] of Object.entries({ replicas, ...counts })) checkNonNegative(errors, at.child(name), count);
  checkNonNegative(errors, at.child('observedGeneration'), status?.observedGeneration);
  checkNonNegative(errors, at.child('collisionCount'), status?.collisionCount);
  for (const [name, count] of Object.entries(counts))
    if (count > replicas) errors.push(invalidError(at.child(name), count, 'cannot be greater than status.replicas'));
  if (availableReplicas > readyReplicas) {
    const why = 'cannot be greater than status.readyReplicas';
    errors.push(invalidError(at.child('availableReplicas'), availableReplicas, why));
  }
  checkCollisions(errors, status?.collisionCount, older.status?.collisionCount);
  return errors;
}

function checkPolicies(errors: FieldError[], spec: StatefulSetSpec): void {
  const management = spec.podManagementPolicy ?? '';
  if (management !== 'OrderedReady' && management !== 'Parallel')
    errors.push(invalidError(SPEC.child('podManagementPolicy'), management, "must be 'OrderedReady' or 'Parallel'"));
  const at = SPEC.child('updateStrategy');
  const { type, rollingUpdate } = spec.updateStrategy ?? {};
  if (isBlank(type)) errors.push(requiredError(at));
  else if (type !== 'RollingUpdate' && type !== 'OnDelete') {
    const shown = { Type: type, RollingUpdate: rollingUpdate ?? null };
    errors.push(invalidError(at, shown, "must be 'RollingUpdate' or 'OnDelete'"));
  }
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
      errors.push(invalidPlainError(where, maxUnavailable, 'cannot be 0'));
    }
  }
  const retention = spec.persistentVolumeClaimRetentionPolicy ?? {};
  for (const field of ['whenDeleted', 'whenScaled'] as const) {
    checkEnum(
      errors,
      SPEC.child('persistentVolumeClaimRetentionPolicy', field),
      retention[field],
      ['Retain', 'Delete'],
      'unsupported',
    );
  }
}
