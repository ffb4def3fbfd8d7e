/** HorizontalPodAutoscalers, stored as autoscaling/v2. Source: Kubernetes `pkg/apis/autoscaling` and `pkg/printers`, 1.36. */
import { invalidError, requiredError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type {
  HorizontalPodAutoscaler,
  HPAScalingRules,
  MetricSpec,
  MetricStatus,
  MetricTarget,
  MetricValueStatus,
} from '../../../../proto/api/autoscaling-v2.ts';
import type { Strategy } from '../../registry/strategy.ts';
import { ageColumn, column, nameColumn } from '../columns/column.ts';
import { kindInfo } from '../kind-info.ts';
import { checkEnum, checkOneOf, checkRequired } from '../validation/checks.ts';
import { keepSpec } from '../validation/spec-kept.ts';
import { pathSegmentName } from '../rbac/path-segment-name.ts';

const SPEC = FieldPath.of('spec');
const SOURCES = ['object', 'pods', 'resource', 'containerResource', 'external'] as const;
const TYPES = ['ContainerResource', 'External', 'Object', 'Pods', 'Resource'];
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
    defaultRules((behavior.scaleUp ??= {}), true);
    defaultRules((behavior.scaleDown ??= {}), false);
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
    const min = spec.minReplicas;
    if (min !== undefined && min < 1)
      errors.push(invalidError(SPEC.child('minReplicas'), min, 'must be greater than or equal to 1'));
    if ((spec.maxReplicas ?? 0) < 1)
      errors.push(invalidError(SPEC.child('maxReplicas'), spec.maxReplicas ?? 0, 'must be greater than 0'));
    if (min !== undefined && (spec.maxReplicas ?? 0) < min) {
      errors.push(
        invalidError(
          SPEC.child('maxReplicas'),
          spec.maxReplicas ?? 0,
          'must be greater than or equal to `minReplicas`',
        ),
      );
    }
    checkRequired(errors, SPEC.child('scaleTargetRef', 'kind'), spec.scaleTargetRef?.kind, pathSegmentName);
    checkRequired(errors, SPEC.child('scaleTargetRef', 'name'), spec.scaleTargetRef?.name, pathSegmentName);
    for (const [i, metric] of (spec.metrics ?? []).entries())
      checkMetric(errors, SPEC.child('metrics').index(i), metric);
    return errors;
  },
  status: { prepareForUpdate: keepSpec },
};

function defaultRules(rules: HPAScalingRules, up: boolean): void {
  rules.selectPolicy ??= 'Max';
  if (up) rules.stabilizationWindowSeconds ??= 0;
  rules.policies ??= up
    ? [
        { type: 'Pods', value: 4, periodSeconds: 15 },
        { type: 'Percent', value: 100, periodSeconds: 15 },
      ]
    : [{ type: 'Percent', value: 100, periodSeconds: 15 }];
}

function checkMetric(errors: FieldError[], path: FieldPath, metric: MetricSpec): void {
  checkEnum(errors, path.child('type'), metric.type, TYPES);
  const source = checkOneOf(errors, path, metric, SOURCES, 'metric source') as (typeof SOURCES)[number] | undefined;
  const word = metric.type === undefined ? '' : metric.type.charAt(0).toLowerCase() + metric.type.slice(1);
  if (source !== undefined && source !== word) {
    errors.push(invalidError(path.child(source), metric[source], 'must populate the given metric source only'));
  } else if (source === undefined && TYPES.includes(metric.type)) {
    errors.push(requiredError(path.child(word), 'must populate information for the given metric source'));
  }
  if (source === 'resource' || source === 'containerResource')
    checkRequired(errors, path.child(source, 'name'), metric[source]?.name);
  if (source === 'containerResource')
    checkRequired(errors, path.child(source, 'container'), metric.containerResource?.container);
  if (source === 'pods' || source === 'object' || source === 'external') {
    checkRequired(errors, path.child(source, 'metric', 'name'), metric[source]?.metric?.name, pathSegmentName);
  }
  const target = source === undefined ? undefined : metric[source]?.target;
  if (source !== undefined && target !== undefined) {
    checkEnum(errors, path.child(source, 'target', 'type'), target.type, ['AverageValue', 'Utilization', 'Value']);
  }
}

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
