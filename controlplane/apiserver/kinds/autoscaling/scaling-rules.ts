/** How fast a HorizontalPodAutoscaler scales: defaults and validation. Source: Kubernetes `pkg/apis/autoscaling` (v2 defaults, validation), 1.36. */
import {
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { tryParseQuantity } from '../../../../machinery/meta/quantity.ts';
import type { HPAScalingRules } from '../../../../proto/api/autoscaling-v2.ts';
import { checkEnum } from '../../../../machinery/validation/checks.ts';

const MAX_WINDOW = 3600;
const MAX_PERIOD = 1800;
const POLICIES = ['Percent', 'Pods'];

export function defaultScalingRules(rules: HPAScalingRules, up: boolean): void {
  rules.selectPolicy ??= 'Max';
  if (up) rules.stabilizationWindowSeconds ??= 0;
  rules.policies ??= up
    ? [
        { type: 'Pods', value: 4, periodSeconds: 15 },
        { type: 'Percent', value: 100, periodSeconds: 15 },
      ]
    : [{ type: 'Percent', value: 100, periodSeconds: 15 }];
}

export function checkScalingRules(errors: FieldError[], path: FieldPath, rules: HPAScalingRules | undefined): void {
  if (rules === undefined) return;
  const window = rules.stabilizationWindowSeconds ?? 0;
  const say = (at: FieldPath, value: number, why: string): void => {
    errors.push(invalidError(at, value, why));
  };
  if (window < 0) say(path.child('stabilizationWindowSeconds'), window, 'must be greater than or equal to zero');
  if (window > MAX_WINDOW)
    say(path.child('stabilizationWindowSeconds'), window, `must be less than or equal to ${MAX_WINDOW}`);
  checkEnum(errors, path.child('selectPolicy'), rules.selectPolicy, ['Disabled', 'Max', 'Min'], 'allowed');
  const at = path.child('policies');
  const policies = rules.policies ?? [];
  if (policies.length === 0) errors.push(requiredError(at, 'must specify at least one Policy'));
  for (const [i, { type = '', value = 0, periodSeconds = 0 }] of policies.entries()) {
    const item = at.index(i);
    if (!POLICIES.includes(type)) errors.push(notSupportedError(item.child('type'), type, POLICIES));
    if (value <= 0) say(item.child('value'), value, 'must be greater than zero');
    if (periodSeconds <= 0) say(item.child('periodSeconds'), periodSeconds, 'must be greater than zero');
    if (periodSeconds > MAX_PERIOD)
      say(item.child('periodSeconds'), periodSeconds, `must be less than or equal to ${MAX_PERIOD}`);
  }
  const tolerance = rules.tolerance === undefined ? undefined : tryParseQuantity(String(rules.tolerance));
  if (tolerance !== undefined && tolerance.sign() < 0)
    errors.push(invalidError(path.child('tolerance'), tolerance.toString(), 'must be greater than or equal to 0'));
}
