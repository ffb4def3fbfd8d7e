/**
 * PodDisruptionBudgets of policy/v1beta1: the same fields, but an empty selector selects no pod there, and every pod in v1. What one version
 * cannot say plainly it says with a label that no pod has.
 * Source: Kubernetes `pkg/apis/policy/v1beta1/conversion.go`, 1.24.
 */
import type { AnyObject } from '../../../../machinery/client/resource.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import type { LabelSelector } from '../../../../proto/api/meta-v1.ts';
import type { PodDisruptionBudget } from '../../../../proto/api/policy-v1.ts';
import type { Conversion } from '../../registry/served-resource.ts';

const LABEL = 'pdb.kubernetes.io/deprecated-v1beta1-empty-selector-match';
const EMPTY: LabelSelector = {};
/** In v1 nothing has the label; in v1beta1 everything lacks it. */
const NONE_IN_V1: LabelSelector = { matchExpressions: [{ key: LABEL, operator: 'Exists' }] };
const ALL_IN_BETA: LabelSelector = { matchExpressions: [{ key: LABEL, operator: 'DoesNotExist' }] };

export const policyV1beta1Conversion: Conversion = {
  toStorage: object =>
    converted(object, 'policy/v1', [
      [EMPTY, NONE_IN_V1],
      [ALL_IN_BETA, EMPTY],
    ]),
  fromStorage: object =>
    converted(object, 'policy/v1beta1', [
      [NONE_IN_V1, EMPTY],
      [EMPTY, ALL_IN_BETA],
    ]),
  keep(object, older) {
    const [next, was] = [object as PodDisruptionBudget, older as PodDisruptionBudget];
    if (was.spec.unhealthyPodEvictionPolicy !== undefined)
      next.spec = { ...next.spec, unhealthyPodEvictionPolicy: was.spec.unhealthyPodEvictionPolicy };
    if (was.status?.conditions !== undefined && next.status !== undefined)
      next.status = { ...next.status, conditions: was.status.conditions };
  },
};

function converted(
  object: AnyObject,
  apiVersion: string,
  selectors: readonly (readonly [LabelSelector, LabelSelector])[],
): AnyObject {
  const budget = object as PodDisruptionBudget;
  const selector = budget.spec?.selector;
  const found = selectors.find(([from]) => selector !== undefined && jsonEquals(plain(selector), from));
  const spec = found === undefined ? budget.spec : { ...budget.spec, selector: structuredClone(found[1]) };
  return { ...budget, apiVersion, spec } as AnyObject;
}

/** Without parts that are there and empty. */
function plain({ matchLabels = {}, matchExpressions = [] }: LabelSelector): LabelSelector {
  return {
    ...(Object.keys(matchLabels).length > 0 ? { matchLabels } : {}),
    ...(matchExpressions.length > 0
      ? {
          matchExpressions: matchExpressions.map(({ values = [], ...rest }) =>
            values.length > 0 ? { ...rest, values } : rest,
          ),
        }
      : {}),
  };
}
