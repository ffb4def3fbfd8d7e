/** DaemonSets. Source: Kubernetes `pkg/apis/apps`, `pkg/registry/apps/daemonset`, 1.36. */
import {
  invalidPlainError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type { DaemonSet } from '../../../../proto/api/apps-v1.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, formatLabels, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import {
  checkAlwaysRestarts,
  checkPodTemplate,
  checkSelectsTemplate,
  defaultPodTemplate,
} from '../pod/pod-template.ts';
import { checkImmutable, checkNonNegative } from '../../../../machinery/validation/checks.ts';
import { checkAtMostHundred, checkIntOrPercent, isZeroIntOrPercent } from '../validation/int-or-percent.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { checkCollisions } from './replica-status.ts';
import { containerColumns, selectorColumn } from './workload-columns.ts';

const SPEC = FieldPath.of('spec');
const STATUS_COUNTS = [
  'currentNumberScheduled',
  'numberMisscheduled',
  'desiredNumberScheduled',
  'numberReady',
  'observedGeneration',
  'updatedNumberScheduled',
  'numberAvailable',
  'numberUnavailable',
  'collisionCount',
] as const;
const ROLLING = SPEC.child('updateStrategy', 'rollingUpdate');

export const daemonSetStrategy: Strategy<DaemonSet> = {
  info: kindInfo('apps', 'DaemonSet'),
  tracksGeneration: true,
  columns: [
    nameColumn,
    column('Desired', 'Nodes that should run the pod.', set => set.status?.desiredNumberScheduled ?? 0, 'integer'),
    column('Current', 'Nodes that have the pod and should.', set => set.status?.currentNumberScheduled ?? 0, 'integer'),
    column('Ready', 'Nodes whose pod is ready.', set => set.status?.numberReady ?? 0, 'integer'),
    column(
      'Up-to-date',
      'Nodes whose pod is of the newest template.',
      set => set.status?.updatedNumberScheduled ?? 0,
      'integer',
    ),
    column(
      'Available',
      'Nodes whose pod has been ready for long enough.',
      set => set.status?.numberAvailable ?? 0,
      'integer',
    ),
    column('Node Selector', 'Labels of the nodes.', set => formatLabels(set.spec.template?.spec?.nodeSelector)),
    ageColumn,
    ...containerColumns<DaemonSet>(set => set.spec.template),
    selectorColumn<DaemonSet>(set => set.spec.selector),
  ],
  allowUnconditionalUpdate: true,
  default({ spec }) {
    const strategy = (spec.updateStrategy ??= {});
    strategy.type ||= 'RollingUpdate';
    if (strategy.type === 'RollingUpdate') {
      const rolling = (strategy.rollingUpdate ??= {});
      rolling.maxUnavailable ??= 1;
      rolling.maxSurge ??= 0;
    }
    spec.revisionHistoryLimit ??= 10;
    defaultPodTemplate(spec.template);
  },
  prepareForCreate(set) {
    set.status = { currentNumberScheduled: 0, numberMisscheduled: 0, desiredNumberScheduled: 0, numberReady: 0 };
  },
  prepareForUpdate(set, older) {
    set.status = older.status;
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    checkSelectsTemplate(errors, SPEC, spec.selector, spec.template, 'daemonset');
    checkPodTemplate(errors, SPEC.child('template'), spec.template);
    checkAlwaysRestarts(errors, SPEC.child('template'), spec.template, 'DaemonSet');
    checkNonNegative(errors, SPEC.child('minReadySeconds'), spec.minReadySeconds);
    checkNonNegative(errors, SPEC.child('revisionHistoryLimit'), spec.revisionHistoryLimit);
    const { type, rollingUpdate } = spec.updateStrategy ?? {};
    if (type === 'RollingUpdate') checkRolling(errors, rollingUpdate);
    else if (type !== 'OnDelete') {
      const shown = { Type: type ?? '', RollingUpdate: rollingUpdate ?? null };
      errors.push(notSupportedError(SPEC.child('updateStrategy'), shown, ['RollingUpdate', 'OnDelete']));
    }
    return errors;
  },
  validateUpdate({ spec }, older) {
    const errors: FieldError[] = [];
    checkImmutable(errors, SPEC.child('selector'), spec.selector, older.spec.selector);
    return errors;
  },
  status: { prepareForUpdate: keepSpec, validateUpdate: checkStatus },
};

function checkStatus({ status }: DaemonSet, older: DaemonSet): FieldError[] {
  const errors: FieldError[] = [];
  const at = FieldPath.of('status');
  for (const field of STATUS_COUNTS) checkNonNegative(errors, at.child(field), status?.[field]);
  checkCollisions(errors, status?.collisionCount, older.status?.collisionCount);
  return errors;
}

function checkRolling(
  errors: FieldError[],
  rolling: NonNullable<DaemonSet['spec']['updateStrategy']>['rollingUpdate'],
): void {
  if (rolling === undefined) {
    errors.push(requiredError(ROLLING));
    return;
  }
  const { maxUnavailable, maxSurge } = rolling;
  checkIntOrPercent(errors, ROLLING.child('maxUnavailable'), maxUnavailable);
  checkIntOrPercent(errors, ROLLING.child('maxSurge'), maxSurge);
  checkAtMostHundred(errors, ROLLING.child('maxUnavailable'), maxUnavailable);
  checkAtMostHundred(errors, ROLLING.child('maxSurge'), maxSurge);
  const none = isZeroIntOrPercent(maxUnavailable);
  if (none && isZeroIntOrPercent(maxSurge)) {
    errors.push(requiredError(ROLLING.child('maxUnavailable'), 'cannot be 0 when maxSurge is 0'));
  } else if (!none && !isZeroIntOrPercent(maxSurge)) {
    const why = 'may not be set when maxUnavailable is non-zero';
    errors.push(invalidPlainError(ROLLING.child('maxSurge'), maxSurge ?? 0, why));
  }
}
