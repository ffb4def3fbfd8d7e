/** Whether the arguments of plugins make sense. Source: `pkg/scheduler/apis/config/validation/validation_pluginargs.go`, 1.36. */
import {
  duplicateError,
  forbiddenError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { qualifiedName } from '../../../../machinery/meta/names.ts';
import { checkNodeSelector, checkNodeSelectorTerm } from '../../../../machinery/validation/node-selector.ts';
import type { UtilizationShapePoint } from '../../../../proto/api/kube-scheduler-config-v1.ts';
import { isConfigurable, type ConfigurablePlugin, type PluginArgs } from './settings.ts';

/** @param args whole, with defaults */
export function pluginArgsErrors(path: FieldPath, plugin: string, args: unknown): FieldError[] {
  if (!isConfigurable(plugin)) return [];
  const errors: FieldError[] = [];
  VALIDATIONS[plugin](errors, path, args as never);
  return errors;
}

const VALIDATIONS: {
  readonly [P in ConfigurablePlugin]: (errors: FieldError[], path: FieldPath, args: PluginArgs[P]) => void;
} = {
  DefaultPreemption(errors, path, { minCandidateNodesPercentage: percentage, minCandidateNodesAbsolute: absolute }) {
    const percentagePath = path.child('minCandidateNodesPercentage');
    const absolutePath = path.child('minCandidateNodesAbsolute');
    checkRange(errors, percentagePath, percentage, 0, 100);
    if (absolute < 0) errors.push(invalidError(absolutePath, absolute, 'not in valid range [0, inf)'));
    if (percentage !== 0 || absolute !== 0) return;
    const why = 'cannot be zero at the same time as';
    errors.push(invalidError(percentagePath, percentage, `${why} minCandidateNodesAbsolute`));
    errors.push(invalidError(absolutePath, absolute, `${why} minCandidateNodesPercentage`));
  },
  InterPodAffinity(errors, path, { hardPodAffinityWeight }) {
    checkRange(errors, path.child('hardPodAffinityWeight'), hardPodAffinityWeight, 0, 100);
  },
  NodeAffinity(errors, path, { addedAffinity }) {
    const at = path.child('addedAffinity');
    const required = addedAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
    if (required !== undefined)
      checkNodeSelector(errors, at.child('requiredDuringSchedulingIgnoredDuringExecution'), required);
    const preferred = at.child('preferredDuringSchedulingIgnoredDuringExecution');
    for (const [i, term] of (addedAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? []).entries()) {
      checkRange(errors, preferred.index(i).child('weight'), term.weight, 1, 100);
      checkNodeSelectorTerm(errors, preferred.index(i).child('preference'), term.preference);
    }
  },
  NodeResourcesBalancedAllocation(errors, path, { resources }) {
    const seen = new Set<string>();
    for (const [i, { name, weight }] of resources.entries()) {
      const at = path.child('resources').index(i);
      if (seen.has(name)) errors.push(duplicateError(at.child('name'), name));
      seen.add(name);
      if (weight !== 1) errors.push(invalidError(at.child('weight'), weight, 'must be 1'));
    }
  },
  NodeResourcesFit(errors, path, { ignoredResources = [], ignoredResourceGroups = [], scoringStrategy }) {
    for (const [i, resource] of ignoredResources.entries())
      checkName(errors, path.child('ignoredResources').index(i), resource);
    for (const [i, group] of ignoredResourceGroups.entries()) {
      const at = path.child('ignoredResourceGroups').index(i);
      if (group.includes('/')) errors.push(invalidError(at, group, "resource group name can't contain '/'"));
      checkName(errors, at, group);
    }
    checkStrategy(errors, path.child('scoringStrategy'), scoringStrategy ?? {});
  },
  PodTopologySpread(errors, path, { defaultConstraints = [], defaultingType = '' }) {
    const typePath = path.child('defaultingType');
    if (!DEFAULTING.includes(defaultingType)) errors.push(notSupportedError(typePath, defaultingType, DEFAULTING));
    else if (defaultingType === 'System' && defaultConstraints.length > 0)
      errors.push(invalidError(typePath, defaultingType, 'when .defaultConstraints are not empty'));
    checkConstraints(errors, path.child('defaultConstraints'), defaultConstraints);
  },
  VolumeBinding(errors, path, { bindTimeoutSeconds, shape }) {
    if (bindTimeoutSeconds < 0)
      errors.push(
        invalidError(
          path.child('bindTimeoutSeconds'),
          bindTimeoutSeconds,
          'invalid BindTimeoutSeconds, should not be a negative value',
        ),
      );
    // Differs: upstream wants the feature gate StorageCapacityScoring for it; here what is asked for is done.
    if (shape !== undefined) checkShapePoints(errors, path.child('shape'), shape);
  },
};

const DEFAULTING: readonly string[] = ['System', 'List'];
const STRATEGIES: readonly string[] = ['LeastAllocated', 'MostAllocated', 'RequestedToCapacityRatio'];
const ACTIONS: readonly string[] = ['DoNotSchedule', 'ScheduleAnyway'];
/** Upstream's MaxCustomPriorityScore. */
const MAX_CUSTOM_SCORE = 10;

type Strategy = NonNullable<PluginArgs['NodeResourcesFit']['scoringStrategy']>;

function checkStrategy(errors: FieldError[], path: FieldPath, { type = '', ...strategy }: Strategy): void {
  if (!STRATEGIES.includes(type)) errors.push(notSupportedError(path.child('type'), type, STRATEGIES));
  for (const [i, { name, weight = 0 }] of (strategy.resources ?? []).entries()) {
    if (weight > 0 && weight <= 100) continue;
    const why = `resource weight of ${name} not in valid range (0, 100]`;
    errors.push(invalidError(path.child('resources').index(i).child('weight'), weight, why));
  }
  const ratio = path.child('requestedToCapacityRatio');
  if (type !== 'RequestedToCapacityRatio') {
    if (strategy.requestedToCapacityRatio !== undefined)
      errors.push(forbiddenError(ratio, 'must be nil when type is not RequestedToCapacityRatio'));
  } else if (strategy.requestedToCapacityRatio === undefined)
    errors.push(requiredError(ratio, 'must be specified when type is RequestedToCapacityRatio'));
  else checkShapePoints(errors, ratio.child('shape'), strategy.requestedToCapacityRatio.shape ?? []);
}

function checkShapePoints(errors: FieldError[], path: FieldPath, shape: readonly UtilizationShapePoint[]): void {
  if (shape.length === 0) errors.push(requiredError(path, 'at least one point must be specified'));
  const unsorted = shape.findIndex((point, i) => i > 0 && (shape[i - 1]?.utilization ?? 0) >= point.utilization);
  if (unsorted > 0)
    errors.push(
      invalidError(
        path.index(unsorted).child('utilization'),
        shape[unsorted]?.utilization,
        'values must be sorted in increasing order',
      ),
    );
  for (const [i, { utilization, score }] of shape.entries()) {
    checkRange(errors, path.index(i).child('utilization'), utilization, 0, 100);
    checkRange(errors, path.index(i).child('score'), score, 0, MAX_CUSTOM_SCORE);
  }
}

type Constraint = NonNullable<PluginArgs['PodTopologySpread']['defaultConstraints']>[number];

function checkConstraints(errors: FieldError[], path: FieldPath, constraints: readonly Constraint[]): void {
  const seen = new Set<string>();
  for (const [i, constraint] of constraints.entries()) {
    const at = path.index(i);
    const { maxSkew, labelSelector } = constraint;
    const [topologyKey, action] = [
      constraint.topologyKey as string | undefined,
      constraint.whenUnsatisfiable as string | undefined,
    ];
    if (maxSkew <= 0) errors.push(invalidError(at.child('maxSkew'), maxSkew, 'not in valid range (0, inf)'));
    if ((topologyKey ?? '') === '') errors.push(requiredError(at.child('topologyKey'), 'can not be empty'));
    else checkName(errors, at.child('topologyKey'), topologyKey ?? '');
    const actionPath = at.child('whenUnsatisfiable');
    if ((action ?? '') === '') errors.push(requiredError(actionPath, 'can not be empty'));
    else if (!ACTIONS.includes(action ?? '')) errors.push(notSupportedError(actionPath, action, ACTIONS));
    if (labelSelector !== undefined)
      errors.push(
        forbiddenError(
          at.child('labelSelector'),
          'constraint must not define a selector, as they deduced for each pod',
        ),
      );
    const pair = `{${topologyKey}, ${action}}`;
    if (seen.has(pair)) errors.push(duplicateError(at, pair));
    seen.add(pair);
  }
}

function checkName(errors: FieldError[], path: FieldPath, name: string): void {
  for (const problem of qualifiedName(name)) errors.push(invalidError(path, name, problem));
}

function checkRange(errors: FieldError[], path: FieldPath, value: number, low: number, high: number): void {
  if (value < low || value > high) errors.push(invalidError(path, value, `not in valid range [${low}, ${high}]`));
}
