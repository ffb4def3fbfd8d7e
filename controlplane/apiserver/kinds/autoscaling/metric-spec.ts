/** Validation of what a HorizontalPodAutoscaler scales by. Source: Kubernetes `pkg/apis/autoscaling/validation`, 1.36. */
import {
  forbiddenError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { validateLabelSelector } from '../../../../machinery/meta/label-selector.ts';
import { dns1123Label } from '../../../../machinery/meta/names.ts';
import { tryParseQuantity } from '../../../../machinery/meta/quantity.ts';
import type {
  CrossVersionObjectReference,
  MetricIdentifier,
  MetricSpec,
  MetricTarget,
} from '../../../../proto/api/autoscaling-v2.ts';
import { pathSegmentName } from '../rbac/path-segment-name.ts';
import { checkRequired, checkShape, isBlank } from '../../../../machinery/validation/checks.ts';
import { checkContainerResourceName } from '../../../../machinery/validation/resource-list.ts';

/** In the order in which upstream looks at them: of several, the first is checked. */
const SOURCES = ['object', 'external', 'pods', 'resource', 'containerResource'] as const;
type Source = (typeof SOURCES)[number];
const TYPES: Readonly<Record<string, Source>> = {
  ContainerResource: 'containerResource',
  External: 'external',
  Object: 'object',
  Pods: 'pods',
  Resource: 'resource',
};
const TARGETS = ['AverageValue', 'Utilization', 'Value'];

export function checkMetric(errors: FieldError[], path: FieldPath, metric: MetricSpec): void {
  if (isBlank(metric.type)) errors.push(requiredError(path.child('type'), 'must specify a metric source type'));
  const wanted = TYPES[metric.type];
  if (wanted === undefined) errors.push(notSupportedError(path.child('type'), metric.type ?? '', Object.keys(TYPES)));
  const present = SOURCES.filter(source => metric[source] !== undefined);
  const [first] = present;
  if (first !== undefined) checkSource(errors, path.child(first), metric, first);
  if (wanted !== undefined && metric[wanted] === undefined)
    errors.push(requiredError(path.child(wanted), 'must populate information for the given metric source'));
  if (present.length === 1) return;
  for (const source of present.filter(other => other !== wanted))
    errors.push(forbiddenError(path.child(source), 'must populate the given metric source only'));
}

/** What is scaled, or measured: a kind and a name that fit into a path. */
export function checkReference(
  errors: FieldError[],
  path: FieldPath,
  reference: CrossVersionObjectReference | undefined,
): void {
  for (const field of ['kind', 'name'] as const)
    checkRequired(errors, path.child(field), reference?.[field], pathSegmentName);
}

function checkSource(errors: FieldError[], path: FieldPath, metric: MetricSpec, source: Source): void {
  const target = metric[source]?.target ?? ({ type: '' } as MetricTarget);
  const at = path.child('target');
  switch (source) {
    case 'object':
      checkReference(errors, path.child('describedObject'), metric.object?.describedObject);
      checkIdentifier(errors, path.child('metric'), metric.object?.metric);
      checkTarget(errors, at, target);
      if (target.value === undefined && target.averageValue === undefined)
        errors.push(requiredError(at.child('averageValue'), 'must set either a target value or averageValue'));
      return;
    case 'external':
      checkIdentifier(errors, path.child('metric'), metric.external?.metric);
      checkTarget(errors, at, target);
      if (target.value === undefined && target.averageValue === undefined) {
        const why = 'must set either a target value for metric or a per-pod target';
        errors.push(requiredError(at.child('averageValue'), why));
      }
      if (target.value !== undefined && target.averageValue !== undefined) {
        const why = 'may not set both a target value for metric and a per-pod target';
        errors.push(forbiddenError(at.child('value'), why));
      }
      return;
    case 'pods':
      checkIdentifier(errors, path.child('metric'), metric.pods?.metric);
      checkTarget(errors, at, target);
      if (target.averageValue === undefined)
        errors.push(requiredError(at.child('averageValue'), 'must specify a positive target averageValue'));
      return;
    case 'resource':
      if (isBlank(metric.resource?.name))
        errors.push(requiredError(path.child('name'), 'must specify a resource name'));
      checkTarget(errors, at, target);
      checkEither(errors, at, target);
      return;
    case 'containerResource': {
      const { name, container } = metric.containerResource ?? {};
      if (isBlank(name)) errors.push(requiredError(path.child('name'), 'must specify a resource name'));
      else checkContainerResourceName(errors, path.child('name'), name);
      if (isBlank(container)) errors.push(requiredError(path.child('container'), 'must specify a container'));
      else checkShape(errors, path.child('container'), container, dns1123Label);
      checkTarget(errors, at, target);
      checkEither(errors, at, target);
    }
  }
}

/** A share of the request or a raw amount. */
function checkEither(errors: FieldError[], path: FieldPath, { averageUtilization, averageValue }: MetricTarget): void {
  if (averageUtilization === undefined && averageValue === undefined) {
    const why = 'must set either a target raw value or a target utilization';
    errors.push(requiredError(path.child('averageUtilization'), why));
  }
  if (averageUtilization !== undefined && averageValue !== undefined) {
    const why = 'may not set both a target raw value and a target utilization';
    errors.push(forbiddenError(path.child('averageValue'), why));
  }
}

function checkTarget(errors: FieldError[], path: FieldPath, target: MetricTarget): void {
  if (isBlank(target.type)) errors.push(requiredError(path.child('type'), 'must specify a metric target type'));
  if (!TARGETS.includes(target.type)) {
    const why = 'must be either Utilization, Value, or AverageValue';
    errors.push(invalidError(path.child('type'), target.type ?? '', why));
  }
  for (const field of ['value', 'averageValue'] as const) {
    const amount = target[field] === undefined ? undefined : tryParseQuantity(String(target[field]));
    if (amount !== undefined && amount.sign() <= 0)
      errors.push(invalidError(path.child(field), amount.toString(), 'must be positive'));
  }
  const share = target.averageUtilization;
  if (share !== undefined && share < 1)
    errors.push(invalidError(path.child('averageUtilization'), share, 'must be greater than 0'));
}

function checkIdentifier(errors: FieldError[], path: FieldPath, metric: MetricIdentifier | undefined): void {
  const { name } = metric ?? {};
  if (isBlank(name)) errors.push(requiredError(path.child('name'), 'must specify a metric name'));
  else checkShape(errors, path.child('name'), name, pathSegmentName);
  errors.push(...validateLabelSelector(metric?.selector, path.child('selector')));
}
