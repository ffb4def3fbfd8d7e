/** HorizontalPodAutoscalers, stored as autoscaling/v2. Source: Kubernetes `pkg/apis/autoscaling` and `pkg/printers`, 1.36. */
import { forbiddenError, invalidError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type {
  HorizontalPodAutoscaler,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
} from '../../../../proto/api/autoscaling-v2.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkNonNegative } from '../../../../machinery/validation/checks.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { checkMetric, checkReference } from './metric-spec.ts';
import { checkScalingRules, defaultScalingRules } from './scaling-rules.ts';

const SPEC = FieldPath.of('spec');
const SOURCES = ['object', 'pods', 'resource', 'containerResource', 'external'] as const;
const MAX_SHOWN = 2;

export const horizontalPodAutoscalerStrategy: Strategy<HorizontalPodAutoscaler> = {
  info: kindInfo('autoscaling', 'HorizontalPodAutoscaler', 'v2'),
  tracksGeneration: true,
  columns: [
    nameColumn,
    column(
      'Reference',
      'What is scaled.',
      hpa => `${hpa.spec.scaleTargetRef?.kind ?? ''}/${hpa.spec.scaleTargetRef?.name ?? ''}`,
    ),
    column('Targets', 'Measured values and what they should be.', targetsText),
    column('MinPods', 'Never fewer.', hpa =>
      hpa.spec.minReplicas === undefined ? '<unset>' : String(hpa.spec.minReplicas),
    ),
    column('MaxPods', 'Never more.', hpa => hpa.spec.maxReplicas ?? 0),
    column('Replicas', 'Pods at the moment.', hpa => hpa.status?.currentReplicas ?? 0),
    ageColumn,
  ],
  allowUnconditionalUpdate: true,
  default({ spec }) {
    spec.minReplicas ??= 1;
    if ((spec.metrics ?? []).length === 0) {
      spec.metrics = [
        { type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 80 } } },
      ];
    }
    const { behavior } = spec;
    if (behavior === undefined) return;
    defaultScalingRules((behavior.scaleUp ??= {}), true);
    defaultScalingRules((behavior.scaleDown ??= {}), false);
  },
  prepareForCreate(hpa) {
    hpa.status = { currentReplicas: 0, desiredReplicas: 0 };
  },
  prepareForUpdate(hpa, older) {
    if (older.status === undefined) delete hpa.status;
    else hpa.status = older.status;
  },
  validate({ spec }) {
    const errors: FieldError[] = [];
    const { minReplicas: min, maxReplicas: max = 0, metrics = [] } = spec;
    if (min !== undefined && min < 1)
      errors.push(invalidError(SPEC.child('minReplicas'), min, 'must be greater than or equal to 1'));
    const at = SPEC.child('maxReplicas');
    if (max < 1) errors.push(invalidError(at, max, 'must be greater than 0'));
    if (min !== undefined && max < min)
      errors.push(invalidError(at, max, 'must be greater than or equal to `minReplicas`'));
    checkReference(errors, SPEC.child('scaleTargetRef'), spec.scaleTargetRef);
    for (const [i, metric] of metrics.entries()) checkMetric(errors, SPEC.child('metrics').index(i), metric);
    if (min === 0 && !metrics.some(({ type }) => type === 'Object' || type === 'External')) {
      const why = 'must specify at least one Object or External metric to support scaling to zero replicas';
      errors.push(forbiddenError(SPEC.child('metrics'), why));
    }
    for (const side of ['scaleUp', 'scaleDown'] as const)
      checkScalingRules(errors, SPEC.child('behavior', side), spec.behavior?.[side]);
    return errors;
  },
  status: {
    prepareForUpdate: keepSpec,
    validateUpdate({ status }) {
      const errors: FieldError[] = [];
      for (const field of ['currentReplicas', 'desiredReplicas'] as const)
        checkNonNegative(errors, FieldPath.of('status', field), status?.[field]);
      return errors;
    },
  },
};

function targetsText(hpa: HorizontalPodAutoscaler): string {
  const specs = hpa.spec.metrics ?? [];
  if (specs.length === 0) return '<none>';
  const current = hpa.status?.currentMetrics ?? [];
  const texts = specs.slice(0, MAX_SHOWN).map((spec, i) => targetText(spec, current[i]));
  return specs.length > MAX_SHOWN ? `${texts.join(', ')} + ${specs.length - MAX_SHOWN} more...` : texts.join(', ');
}

function targetText(spec: MetricSpec, status: MetricStatus | undefined): string {
  const label = spec.resource?.name ?? spec.containerResource?.name;
  const prefix = label === undefined ? '' : `${label}: `;
  const source = SOURCES.find(name => spec[name] !== undefined);
  if (source === undefined) return '<unknown type>';
  return prefix + valueText(spec[source]?.target, status?.[source]?.current);
}

function valueText(target: MetricTarget | undefined, current: MetricValueStatus | undefined): string {
  if (target?.averageUtilization !== undefined) {
    const now = current?.averageUtilization === undefined ? '<unknown>' : `${current.averageUtilization}%`;
    return `${now}/${target.averageUtilization}%`;
  }
  if (target?.averageValue !== undefined) return `${current?.averageValue ?? '<unknown>'}/${target.averageValue}`;
  return `${current?.value ?? '<unknown>'}/${target?.value ?? '<auto>'}`;
}
