/**
 * Whether a configuration makes sense. Source: `ValidateKubeSchedulerConfiguration` (pkg/scheduler/apis/config/validation) and
 * `ValidateLeaderElectionConfiguration` (component-base/config/validation), 1.36.
 */
import {
  duplicateError,
  invalidError,
  notFoundError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { parseDurationMs } from '../../../../machinery/meta/duration.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { jsonEquals } from '../../../../machinery/meta/json-value.ts';
import { nearestWord } from '../../../../machinery/meta/nearest-word.ts';
import type { KubeSchedulerProfile } from '../../../../proto/api/kube-scheduler-config-v1.ts';
import { ABSENT_PLUGINS } from './default-plugins.ts';
import { EXTENSION_POINTS } from './plugin-sets.ts';
import type { WholeConfiguration } from './settings.ts';
import { extenderErrors } from './validate-extenders.ts';
import { pluginArgsErrors } from './validate-plugin-args.ts';

const at = FieldPath.of;

/**
 * All that is wrong; empty when nothing is. Types have been checked before.
 *
 * @param known names of the plugins that there are
 */
export function validateConfiguration(whole: WholeConfiguration, known: ReadonlySet<string>): FieldError[] {
  return [
    ...electionErrors(whole),
    ...profilesErrors(whole.profiles, known),
    ...percentageErrors(at('percentageOfNodesToScore'), whole.percentageOfNodesToScore),
    ...backoffErrors(whole),
    ...(whole.parallelism !== undefined && whole.parallelism <= 0
      ? [invalidError(at('parallelism'), whole.parallelism, 'should be an integer value greater than zero')]
      : []),
    ...extenderErrors(whole.extenders ?? []),
  ];
}

function electionErrors({ leaderElection }: WholeConfiguration): FieldError[] {
  if (leaderElection === undefined || leaderElection.leaderElect === false) return [];
  const path = at('leaderElection');
  const errors: FieldError[] = [];
  const { leaseDuration, renewDeadline, retryPeriod, resourceLock, resourceName, resourceNamespace } = leaderElection;
  const ms = (text: string): number => parseDurationMs(text) ?? 0;
  for (const [name, value] of Object.entries({ leaseDuration, renewDeadline, retryPeriod }))
    if (ms(value) <= 0) errors.push(invalidError(path.child(name), value, 'must be greater than zero'));
  if (ms(leaseDuration) <= ms(renewDeadline))
    errors.push(
      invalidError(path.child('leaseDuration'), renewDeadline, 'LeaseDuration must be greater than RenewDeadline'),
    );
  if (ms(renewDeadline) <= ms(retryPeriod))
    errors.push(
      invalidError(path.child('renewDeadline'), retryPeriod, 'RenewDeadline must be greater than RetryPeriod'),
    );
  if (ms(leaseDuration) > 0 && ms(leaseDuration) < 1000)
    errors.push(invalidError(path.child('leaseDuration'), leaseDuration, 'a Lease counts in whole seconds'));
  for (const [name, value] of Object.entries({ resourceName, resourceNamespace }))
    if (value === '') errors.push(requiredError(path.child(name), `${name} is required`));
  if (resourceLock !== 'leases')
    errors.push(invalidError(path.child('resourceLock'), resourceLock, 'resourceLock value must be "leases"'));
  return errors;
}

function profilesErrors(profiles: readonly KubeSchedulerProfile[], known: ReadonlySet<string>): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Map<string, number>();
  for (const [i, profile] of profiles.entries()) {
    const path = at('profiles').index(i);
    const name = profile.schedulerName ?? '';
    if (name === '') errors.push(requiredError(path.child('schedulerName')));
    errors.push(...percentageErrors(path.child('percentageOfNodesToScore'), profile.percentageOfNodesToScore));
    errors.push(...pluginSetErrors(path.child('plugins'), profile, known));
    errors.push(...pluginConfigErrors(path.child('pluginConfig'), profile, known));
    const first = seen.get(name);
    if (first === undefined) seen.set(name, i);
    else
      errors.push(
        duplicateError(path.child('schedulerName'), at('profiles').index(first).child('schedulerName').toString()),
      );
  }
  return [...errors, ...queueSortErrors(profiles)];
}

function percentageErrors(path: FieldPath, percentage: number | undefined): FieldError[] {
  if (percentage === undefined || (percentage >= 0 && percentage <= 100)) return [];
  return [invalidError(path, percentage, 'not in valid range [0-100]')];
}

/** Differs: upstream overlooks a name that no plugin has where it is disabled or configured, and fails at start where it is enabled. */
function pluginSetErrors(path: FieldPath, { plugins }: KubeSchedulerProfile, known: ReadonlySet<string>): FieldError[] {
  const errors: FieldError[] = [];
  for (const point of [...EXTENSION_POINTS, 'multiPoint'] as const) {
    const set = path.child(point);
    const enabled = plugins?.[point]?.enabled ?? [];
    for (const [i, { name, weight = 0 }] of enabled.entries()) {
      const item = set.child('enabled').index(i);
      if (enabled.findIndex(other => other.name === name) < i) errors.push(duplicateError(item.child('name'), name));
      errors.push(...nameErrors(item.child('name'), name, known));
      if (weight < 0 || weight > MAX_WEIGHT)
        errors.push(invalidError(item.child('weight'), weight, `not in valid range [0, ${MAX_WEIGHT}]`));
      else if (weight > 0 && point !== 'score' && point !== 'multiPoint')
        errors.push(invalidError(item.child('weight'), weight, 'only plugins of score and multiPoint have a weight'));
    }
    for (const [i, { name }] of (plugins?.[point]?.disabled ?? []).entries()) {
      if (name === '*' || ABSENT_PLUGINS.has(name)) continue;
      errors.push(...nameErrors(set.child('disabled').index(i).child('name'), name, known));
    }
  }
  return errors;
}

/** A score of 100 times this, from a hundred plugins, is still exact. */
const MAX_WEIGHT = 2 ** 31 - 1;

function nameErrors(path: FieldPath, name: string, known: ReadonlySet<string>): FieldError[] {
  if (name === '') return [requiredError(path)];
  if (known.has(name)) return [];
  const absent = ABSENT_PLUGINS.get(name);
  if (absent !== undefined) return [notFoundError(path, name, `k8ts does not have this plugin: ${absent}`)];
  const meant = nearestWord(name, [...known]);
  const hint = meant === undefined ? 'plugins of your own are loaded by --scheduler-plugins' : `did you mean ${meant}?`;
  return [notFoundError(path, name, `no plugin has this name; ${hint}`)];
}

function pluginConfigErrors(
  path: FieldPath,
  { pluginConfig = [] }: KubeSchedulerProfile,
  known: ReadonlySet<string>,
): FieldError[] {
  const seen = new Set<string>();
  return pluginConfig.flatMap(({ name, args }, i) => {
    const item = path.index(i);
    const errors = nameErrors(item.child('name'), name, known);
    if (seen.has(name)) errors.push(duplicateError(item, name));
    seen.add(name);
    return [...errors, ...pluginArgsErrors(item.child('args'), name, args)];
  });
}

/** The queue is one for all profiles. */
function queueSortErrors(profiles: readonly KubeSchedulerProfile[]): FieldError[] {
  const errors: FieldError[] = [];
  const [first] = profiles;
  const sets = first?.plugins?.queueSort ?? {};
  const enabled = sets.enabled ?? [];
  if (enabled.length > 1) {
    const where = at('profiles').index(0).child('plugins', 'queueSort', 'enabled');
    errors.push(invalidError(where, enabled.length, 'only one queue sort plugin can be enabled'));
  }
  const argsOf = (profile: KubeSchedulerProfile | undefined): unknown =>
    profile?.pluginConfig?.find(({ name }) => name === enabled[0]?.name)?.args;
  for (const [i, profile] of profiles.entries()) {
    const path = at('profiles').index(i);
    const set = profile.plugins?.queueSort ?? {};
    if (!jsonEquals(set, sets))
      errors.push(invalidError(path.child('plugins', 'queueSort'), set, 'must be the same for all profiles'));
    if (!jsonEquals(argsOf(profile), argsOf(first)))
      errors.push(
        invalidError(
          path.child('pluginConfig', 'args'),
          argsOf(profile),
          'queueSort must be the same for all profiles',
        ),
      );
  }
  return errors;
}

function backoffErrors({
  podInitialBackoffSeconds: initial,
  podMaxBackoffSeconds: max,
}: WholeConfiguration): FieldError[] {
  const errors: FieldError[] = [];
  if (initial <= 0) errors.push(invalidError(at('podInitialBackoffSeconds'), initial, 'must be greater than 0'));
  if (max < initial)
    errors.push(
      invalidError(at('podMaxBackoffSeconds'), max, 'must be greater than or equal to PodInitialBackoffSeconds'),
    );
  return errors;
}
