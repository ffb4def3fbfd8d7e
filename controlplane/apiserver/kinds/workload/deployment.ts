/** Deployments. Source: Kubernetes `pkg/apis/apps` (v1 defaults, validation), `pkg/registry/apps/deployment`, 1.36. */
import {
  forbiddenError,
  invalidError,
  invalidPlainError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type { Deployment, DeploymentStrategy } from '../../../../proto/api/apps-v1.ts';
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
import { checkEnum, checkImmutable, checkNonNegative } from '../../../../machinery/validation/checks.ts';
import { checkAtMostHundred, checkIntOrPercent, isZeroIntOrPercent } from '../validation/int-or-percent.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { checkCollisions } from './replica-status.ts';
import { containerColumns, selectorColumn } from './workload-columns.ts';

const SPEC = FieldPath.of('spec');

export const deploymentStrategy: Strategy<Deployment> = {
  info: kindInfo('apps', 'Deployment'),
  tracksGeneration: true,
  columns: [
    nameColumn,
    column(
      'Ready',
      'Pods that are ready, of those wanted.',
      d => `${d.status?.readyReplicas ?? 0}/${d.spec.replicas ?? 0}`,
    ),
    column('Up-to-date', 'Pods made from the newest template.', d => d.status?.updatedReplicas ?? 0),
    column('Available', 'Pods that have been ready for long enough.', d => d.status?.availableReplicas ?? 0),
    ageColumn,
    ...containerColumns<Deployment>(d => d.spec.template),
    selectorColumn<Deployment>(d => d.spec.selector),
  ],
  allowUnconditionalUpdate: true,
  default(deployment) {
    const { spec } = deployment;
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
    const strategy = (spec.strategy ??= {});
    strategy.type ||= 'RollingUpdate';
    if (strategy.type === 'RollingUpdate') {
      const rolling = (strategy.rollingUpdate ??= {});
      rolling.maxUnavailable ??= '25%';
      rolling.maxSurge ??= '25%';
    }
    defaultPodTemplate(spec.template);
  },
  prepareForCreate(deployment) {
    deployment.status = {};
  },
  prepareForUpdate(deployment, older) {
    deployment.status = older.status;
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    checkNonNegative(errors, SPEC.child('replicas'), spec.replicas);
    checkSelectsTemplate(errors, SPEC, spec.selector, spec.template, 'deployment');
    checkPodTemplate(errors, SPEC.child('template'), spec.template);
    checkAlwaysRestarts(errors, SPEC.child('template'), spec.template);
    checkStrategy(errors, SPEC.child('strategy'), spec.strategy ?? {});
    checkNonNegative(errors, SPEC.child('minReadySeconds'), spec.minReadySeconds);
    checkNonNegative(errors, SPEC.child('revisionHistoryLimit'), spec.revisionHistoryLimit);
    const deadline = spec.progressDeadlineSeconds;
    checkNonNegative(errors, SPEC.child('progressDeadlineSeconds'), deadline);
    if (deadline !== undefined && deadline <= (spec.minReadySeconds ?? 0)) {
      errors.push(
        invalidError(SPEC.child('progressDeadlineSeconds'), deadline, 'must be greater than minReadySeconds'),
      );
    }
    return errors;
  },
  validateUpdate({ spec }, older) {
    const errors: FieldError[] = [];
    checkImmutable(errors, SPEC.child('selector'), spec.selector, older.spec.selector);
    return errors;
  },
  status: {
    prepareForUpdate(deployment, older) {
      keepSpec(deployment, older);
      deployment.metadata.labels = older.metadata.labels;
    },
    validateUpdate({ status = {} }, older) {
      const errors: FieldError[] = [];
      const at = FieldPath.of('status');
      for (const field of [
        'observedGeneration',
        'replicas',
        'updatedReplicas',
        'readyReplicas',
        'availableReplicas',
        'unavailableReplicas',
        'collisionCount',
      ] as const) {
        checkNonNegative(errors, at.child(field), status[field]);
      }
      const { replicas = 0, updatedReplicas = 0, readyReplicas = 0, availableReplicas = 0 } = status;
      const tooMany = 'cannot be greater than status.replicas';
      if (updatedReplicas > replicas) errors.push(invalidError(at.child('updatedReplicas'), updatedReplicas, tooMany));
      if (readyReplicas > replicas) errors.push(invalidError(at.child('readyReplicas'), readyReplicas, tooMany));
      if (availableReplicas > replicas)
        errors.push(invalidError(at.child('availableReplicas'), availableReplicas, tooMany));
      if (availableReplicas > readyReplicas) {
        errors.push(
          invalidError(at.child('availableReplicas'), availableReplicas, 'cannot be greater than readyReplicas'),
        );
      }
      checkCollisions(errors, status.collisionCount, older.status?.collisionCount);
      return errors;
    },
  },
  scale: {
    specReplicas: d => d.spec.replicas ?? 0,
    statusReplicas: d => d.status?.replicas ?? 0,
    selector: d => selectorText(d.spec.selector),
    setReplicas(d, replicas) {
      d.spec.replicas = replicas;
    },
  },
};

function checkStrategy(errors: FieldError[], path: FieldPath, strategy: DeploymentStrategy): void {
  checkEnum(errors, path.child('type'), strategy.type, ['Recreate', 'RollingUpdate'], 'unsupported');
  const at = path.child('rollingUpdate');
  const rolling = strategy.rollingUpdate;
  if (strategy.type === 'Recreate') {
    if (rolling !== undefined)
      errors.push(forbiddenError(at, "may not be specified when strategy `type` is 'Recreate'"));
    return;
  }
  if (strategy.type !== 'RollingUpdate') return;
  if (rolling === undefined) {
    errors.push(requiredError(at, 'this should be defaulted and never be nil'));
    return;
  }
  checkIntOrPercent(errors, at.child('maxUnavailable'), rolling.maxUnavailable);
  checkIntOrPercent(errors, at.child('maxSurge'), rolling.maxSurge);
  if (isZeroIntOrPercent(rolling.maxUnavailable) && isZeroIntOrPercent(rolling.maxSurge)) {
    const why = 'may not be 0 when `maxSurge` is 0';
    errors.push(invalidPlainError(at.child('maxUnavailable'), rolling.maxUnavailable ?? 0, why));
  }
  checkAtMostHundred(errors, at.child('maxUnavailable'), rolling.maxUnavailable);
}
