/**
 * Whether settings make sense, alone and together. Source: `ValidateKubeletConfiguration` (pkg/kubelet/apis/config/validation, 1.36) and
 * `ParseThresholdConfig` (pkg/kubelet/eviction); told with field paths.
 */
import {
  duplicateError,
  forbiddenError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { labelValue, qualifiedName, rangeProblem } from '../../../../machinery/meta/names.ts';
import { tryParseQuantity } from '../../../../machinery/meta/quantity.ts';
import { allowlistProblem, VERIFICATION_POLICIES } from '../../images/plan/verification-policy.ts';
import type { KubeletConfiguration } from './kubelet-configuration.ts';
import { durationMs } from './kubelet-configuration.ts';
import { resourceSettingErrors } from '../../resources/plan/resource-settings.ts';
import { evictionErrors } from './validate-eviction.ts';

const at = FieldPath.of;

/** All that is wrong; empty when nothing is. Types have been checked before. */
export function validateConfiguration(c: KubeletConfiguration): FieldError[] {
  return [
    ...rangeErrors(c),
    ...choiceErrors(c),
    ...imageErrors(c),
    ...shutdownErrors(c),
    ...reservationErrors(c),
    ...taintErrors(c),
    ...logErrors(c),
    ...evictionErrors(c),
    ...sourceErrors(c),
    ...resourceSettingErrors(c),
  ];
}

const RANGES: readonly (readonly [keyof KubeletConfiguration, number, number])[] = [
  ['nodeLeaseDurationSeconds', 1, 2 ** 31 - 1],
  ['eventBurst', 0, 2 ** 31 - 1],
  ['eventRecordQPS', 0, 2 ** 31 - 1],
  ['registryBurst', 0, 2 ** 31 - 1],
  ['registryPullQPS', 0, 2 ** 31 - 1],
  ['maxPods', 0, 2 ** 31 - 1],
  ['podsPerCore', 0, 2 ** 31 - 1],
  ['nodeStatusMaxImages', -1, 2 ** 31 - 1],
  ['oomScoreAdj', -1000, 1000],
  ['port', 1, 65535],
  ['healthzPort', 0, 65535],
  ['readOnlyPort', 0, 65535],
  ['imageGCHighThresholdPercent', 0, 100],
  ['imageGCLowThresholdPercent', 0, 100],
  ['iptablesDropBit', 0, 31],
  ['iptablesMasqueradeBit', 0, 31],
];

function rangeErrors(c: KubeletConfiguration): FieldError[] {
  const errors = RANGES.flatMap(([name, low, high]) => {
    const value = c[name] as number;
    return value >= low && value <= high ? [] : [invalidError(at(name), value, rangeProblem(low, high))];
  });
  const period = durationMs(c.cpuCFSQuotaPeriod);
  if (period < 1 || period > 1000)
    errors.push(invalidError(at('cpuCFSQuotaPeriod'), c.cpuCFSQuotaPeriod, 'must be between 1ms and 1sec, inclusive'));
  const restart = durationMs(c.crashLoopBackOff.maxContainerRestartPeriod);
  if (restart < 1000 || restart > 300_000)
    errors.push(
      invalidError(
        at('crashLoopBackOff', 'maxContainerRestartPeriod'),
        c.crashLoopBackOff.maxContainerRestartPeriod,
        'must be set between 1s and 300s',
      ),
    );
  const ids = c.userNamespaces.idsPerPod;
  if (ids < 65536 || ids >= 2 ** 32 || ids % 65536 !== 0)
    errors.push(
      invalidError(at('userNamespaces', 'idsPerPod'), ids, 'must be a multiple of 65536 and less than 4294967296'),
    );
  for (const name of POSITIVE_DURATIONS)
    if (durationMs(c[name]) < 0) errors.push(invalidError(at(name), c[name], 'must not be negative'));
  return errors;
}

const POSITIVE_DURATIONS = [
  'fileCheckFrequency',
  'httpCheckFrequency',
  'nodeStatusUpdateFrequency',
  'nodeStatusReportFrequency',
  'volumeStatsAggPeriod',
  'cpuManagerReconcilePeriod',
  'runtimeRequestTimeout',
  'evictionPressureTransitionPeriod',
] as const;

const CHOICES: readonly (readonly [keyof KubeletConfiguration, readonly string[]])[] = [
  ['topologyManagerPolicy', ['none', 'best-effort', 'restricted', 'single-numa-node']],
  ['topologyManagerScope', ['container', 'pod']],
  ['cpuManagerPolicy', ['none', 'static']],
  ['memoryManagerPolicy', ['None', 'Static']],
  ['hairpinMode', ['none', 'hairpin-veth', 'promiscuous-bridge']],
  ['cgroupDriver', ['cgroupfs', 'systemd']],
  ['imagePullCredentialsVerificationPolicy', VERIFICATION_POLICIES],
  ['tlsMinVersion', ['', 'VersionTLS10', 'VersionTLS11', 'VersionTLS12', 'VersionTLS13']],
];

function choiceErrors(c: KubeletConfiguration): FieldError[] {
  const errors = CHOICES.flatMap(([name, values]) =>
    values.includes(c[name] as string)
      ? []
      : [
          notSupportedError(
            at(name),
            c[name],
            values.filter(v => v !== ''),
          ),
        ],
  );
  const modes = ['AlwaysAllow', 'Webhook'];
  if (!modes.includes(c.authorization.mode))
    errors.push(notSupportedError(at('authorization', 'mode'), c.authorization.mode, modes));
  const swap = ['', 'NoSwap', 'LimitedSwap'];
  if (!swap.includes(c.memorySwap.swapBehavior))
    errors.push(notSupportedError(at('memorySwap', 'swapBehavior'), c.memorySwap.swapBehavior, swap));
  if (c.enableSystemLogQuery && !c.enableSystemLogHandler)
    errors.push(forbiddenError(at('enableSystemLogQuery'), 'enableSystemLogHandler is required for it'));
  if ((c.tlsCertFile === '') !== (c.tlsPrivateKeyFile === ''))
    errors.push(
      requiredError(at(c.tlsCertFile === '' ? 'tlsCertFile' : 'tlsPrivateKeyFile'), 'certificate and key go together'),
    );
  return errors;
}

function imageErrors(c: KubeletConfiguration): FieldError[] {
  const errors: FieldError[] = [];
  if (c.imageGCLowThresholdPercent >= c.imageGCHighThresholdPercent) {
    const detail = `must be less than imageGCHighThresholdPercent ${c.imageGCHighThresholdPercent}`;
    errors.push(invalidError(at('imageGCLowThresholdPercent'), c.imageGCLowThresholdPercent, detail));
  }
  const [least, most] = [durationMs(c.imageMinimumGCAge), durationMs(c.imageMaximumGCAge)];
  if (least < 0) errors.push(invalidError(at('imageMinimumGCAge'), c.imageMinimumGCAge, 'must not be negative'));
  if (most < 0) errors.push(invalidError(at('imageMaximumGCAge'), c.imageMaximumGCAge, 'must not be negative'));
  if (most > 0 && most <= least) {
    const detail = `must be greater than imageMinimumGCAge ${c.imageMinimumGCAge}`;
    errors.push(invalidError(at('imageMaximumGCAge'), c.imageMaximumGCAge, detail));
  }
  const pulls = c.maxParallelImagePulls ?? 1;
  if (pulls < 1) errors.push(invalidError(at('maxParallelImagePulls'), pulls, 'must be a positive number'));
  if (c.serializeImagePulls && pulls > 1)
    errors.push(
      invalidError(
        at('maxParallelImagePulls'),
        pulls,
        'cannot be larger than 1 unless serializeImagePulls is set to false',
      ),
    );
  const allowed = c.preloadedImagesVerificationAllowlist ?? [];
  if (allowed.length > 0 && c.imagePullCredentialsVerificationPolicy !== 'NeverVerifyAllowlistedImages')
    errors.push(
      forbiddenError(
        at('preloadedImagesVerificationAllowlist'),
        'can only be set if imagePullCredentialsVerificationPolicy is "NeverVerifyAllowlistedImages"',
      ),
    );
  for (const pattern of allowed) {
    const problem = allowlistProblem(pattern);
    if (problem !== undefined) errors.push(invalidError(at('preloadedImagesVerificationAllowlist'), pattern, problem));
  }
  return errors;
}

function shutdownErrors(c: KubeletConfiguration): FieldError[] {
  const errors: FieldError[] = [];
  const [all, critical] = [durationMs(c.shutdownGracePeriod), durationMs(c.shutdownGracePeriodCriticalPods)];
  const whole = (name: 'shutdownGracePeriod' | 'shutdownGracePeriodCriticalPods', ms: number): void => {
    if (ms < 0 || (ms > 0 && ms < 1000))
      errors.push(invalidError(at(name), c[name], 'must be either zero or otherwise >= 1 sec'));
  };
  whole('shutdownGracePeriod', all);
  whole('shutdownGracePeriodCriticalPods', critical);
  if (critical > all) {
    const detail = `must be <= shutdownGracePeriod ${c.shutdownGracePeriod}`;
    errors.push(invalidError(at('shutdownGracePeriodCriticalPods'), c.shutdownGracePeriodCriticalPods, detail));
  }
  const byPriority = c.shutdownGracePeriodByPodPriority ?? [];
  if (byPriority.length > 0 && (all > 0 || critical > 0))
    errors.push(
      forbiddenError(at('shutdownGracePeriodByPodPriority'), 'cannot be specified together with shutdownGracePeriod'),
    );
  byPriority.forEach(({ shutdownGracePeriodSeconds: seconds }, i) => {
    const path = at('shutdownGracePeriodByPodPriority').index(i).child('shutdownGracePeriodSeconds');
    if (seconds < 0) errors.push(invalidError(path, seconds, 'must not be negative'));
  });
  return errors;
}

const RESERVABLE = ['cpu', 'memory', 'ephemeral-storage', 'pid'];
const ENFORCEMENTS = [
  'pods',
  'system-reserved',
  'system-reserved-compressible',
  'kube-reserved',
  'kube-reserved-compressible',
  'none',
];

function reservationErrors(c: KubeletConfiguration): FieldError[] {
  const errors: FieldError[] = [];
  for (const name of ['systemReserved', 'kubeReserved'] as const) {
    for (const [resource, amount] of Object.entries(c[name] ?? {})) {
      const path = at(name).key(resource);
      const quantity = tryParseQuantity(amount);
      if (!RESERVABLE.includes(resource)) errors.push(notSupportedError(path, resource, RESERVABLE));
      else if (quantity === undefined) errors.push(invalidError(path, amount, 'must be a quantity'));
      else if (quantity.sign() < 0) errors.push(invalidError(path, amount, 'cannot be negative'));
    }
  }
  const list = c.enforceNodeAllocatable;
  list.forEach((value, i) => {
    const path = at('enforceNodeAllocatable').index(i);
    if (!ENFORCEMENTS.includes(value)) errors.push(notSupportedError(path, value, ENFORCEMENTS));
    else if (list.indexOf(value) < i) errors.push(duplicateError(path, value));
    else if (value === 'none' && list.length > 1)
      errors.push(forbiddenError(path, 'no other enforcement may stand beside "none"'));
    else if (value.endsWith('-compressible') && list.includes(value.replace('-compressible', '')))
      errors.push(forbiddenError(path, `cannot be specified together with "${value.replace('-compressible', '')}"`));
    else if (value.startsWith('system-reserved') && c.systemReservedCgroup === '')
      errors.push(requiredError(at('systemReservedCgroup'), `needed by ${JSON.stringify(value)}`));
    else if (value.startsWith('kube-reserved') && c.kubeReservedCgroup === '')
      errors.push(requiredError(at('kubeReservedCgroup'), `needed by ${JSON.stringify(value)}`));
  });
  if (c.reservedSystemCPUs === '') return errors;
  if (c.systemReservedCgroup !== '' || c.kubeReservedCgroup !== '')
    errors.push(
      forbiddenError(at('reservedSystemCPUs'), 'cannot be used with systemReservedCgroup or kubeReservedCgroup'),
    );
  if (!/^\d+(-\d+)?(,\d+(-\d+)?)*$/.test(c.reservedSystemCPUs))
    errors.push(invalidError(at('reservedSystemCPUs'), c.reservedSystemCPUs, 'must be a list of CPUs, such as 0-1,3'));
  return errors;
}

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

function taintErrors(c: KubeletConfiguration): FieldError[] {
  return (c.registerWithTaints ?? []).flatMap((taint, i) => {
    const path = at('registerWithTaints').index(i);
    const errors = qualifiedName(taint.key).map(problem => invalidError(path.child('key'), taint.key, problem));
    for (const problem of labelValue(taint.value ?? ''))
      errors.push(invalidError(path.child('value'), taint.value, problem));
    if (!EFFECTS.includes(taint.effect)) errors.push(notSupportedError(path.child('effect'), taint.effect, EFFECTS));
    if (taint.timeAdded !== undefined) errors.push(forbiddenError(path.child('timeAdded'), 'may not be set here'));
    return errors;
  });
}

function logErrors(c: KubeletConfiguration): FieldError[] {
  const errors: FieldError[] = [];
  const size = tryParseQuantity(c.containerLogMaxSize);
  if (size === undefined || size.sign() <= 0)
    errors.push(invalidError(at('containerLogMaxSize'), c.containerLogMaxSize, 'must be a quantity above 0'));
  if (c.containerLogMaxFiles <= 1)
    errors.push(invalidError(at('containerLogMaxFiles'), c.containerLogMaxFiles, 'must be greater than 1'));
  if (c.containerLogMaxWorkers < 1)
    errors.push(
      invalidError(at('containerLogMaxWorkers'), c.containerLogMaxWorkers, 'must be greater than or equal to 1'),
    );
  if (durationMs(c.containerLogMonitorInterval) < 3000)
    errors.push(
      invalidError(at('containerLogMonitorInterval'), c.containerLogMonitorInterval, 'must be at least 3 seconds'),
    );
  return errors;
}

function sourceErrors(c: KubeletConfiguration): FieldError[] {
  const errors: FieldError[] = [];
  if (c.staticPodPath !== '' && !c.staticPodPath.startsWith('/'))
    errors.push(invalidError(at('staticPodPath'), c.staticPodPath, 'must be an absolute path'));
  if (c.staticPodURL !== '' && !/^https?:\/\/[^/]/.test(c.staticPodURL))
    errors.push(invalidError(at('staticPodURL'), c.staticPodURL, 'must be a URL that begins with http or https'));
  return errors;
}
