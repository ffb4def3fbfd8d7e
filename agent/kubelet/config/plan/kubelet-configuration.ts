/**
 * The kubelet's settings: `kubelet.config.k8s.io/v1beta1` with upstream's names, whole: every setting that has a default has it.
 *
 * Durations stay text as in the file (`10s`); `durationMs()` reads them. Quantities and percentages stay text too.
 * Source of the defaults: `pkg/kubelet/apis/config/v1beta1/defaults.go`, 1.36.
 */
import { isJsonObject } from '../../../../machinery/meta/json-value.ts';
import { parseDurationMs } from '../../../../machinery/meta/duration.ts';
import type { KubeletConfiguration as ConfigurationFile } from '../../../../proto/api/kubelet-config-v1beta1.ts';

export const CONFIGURATION_API_VERSION = 'kubelet.config.k8s.io/v1beta1';
export const CONFIGURATION_KIND = 'KubeletConfiguration';

/** A configuration as somebody writes it: everything may be left out. */
export type { ConfigurationFile };

const EVICTION_HARD: Record<string, string> = {
  'memory.available': '100Mi',
  'nodefs.available': '10%',
  'nodefs.inodesFree': '5%',
  'imagefs.available': '15%',
  'imagefs.inodesFree': '5%',
};

const DEFAULTS = {
  apiVersion: CONFIGURATION_API_VERSION,
  kind: CONFIGURATION_KIND,
  enableServer: true,
  staticPodPath: '',
  syncFrequency: '1m0s',
  fileCheckFrequency: '20s',
  httpCheckFrequency: '20s',
  staticPodURL: '',
  address: '0.0.0.0',
  port: 10250,
  readOnlyPort: 0,
  tlsCertFile: '',
  tlsPrivateKeyFile: '',
  tlsMinVersion: '',
  // Differs: a node renews its certificates, whatever the file says.
  rotateCertificates: true,
  serverTLSBootstrap: false,
  authentication: {
    x509: { clientCAFile: '' },
    webhook: { enabled: true, cacheTTL: '2m0s' },
    anonymous: { enabled: false },
  },
  authorization: { mode: 'Webhook', webhook: { cacheAuthorizedTTL: '5m0s', cacheUnauthorizedTTL: '30s' } },
  registryPullQPS: 5,
  registryBurst: 10,
  // Upstream sets this one together with its feature, which 1.36 has on.
  imagePullCredentialsVerificationPolicy: 'NeverVerifyPreloadedImages',
  eventRecordQPS: 50,
  eventBurst: 100,
  enableDebuggingHandlers: true,
  enableContentionProfiling: false,
  // Differs: upstream listens on 10248; several nodes share a machine here, and /healthz is served on the kubelet's port as well.
  healthzPort: 0,
  healthzBindAddress: '127.0.0.1',
  oomScoreAdj: -999,
  clusterDomain: '',
  streamingConnectionIdleTimeout: '4h0m0s',
  nodeStatusUpdateFrequency: '10s',
  nodeStatusReportFrequency: '5m0s',
  nodeLeaseDurationSeconds: 40,
  imageMinimumGCAge: '2m0s',
  imageMaximumGCAge: '0s',
  imageGCHighThresholdPercent: 85,
  imageGCLowThresholdPercent: 80,
  volumeStatsAggPeriod: '1m0s',
  cgroupRoot: '',
  cgroupsPerQOS: true,
  cgroupDriver: 'cgroupfs',
  cpuManagerPolicy: 'none',
  cpuManagerReconcilePeriod: '10s',
  memoryManagerPolicy: 'None',
  topologyManagerPolicy: 'none',
  topologyManagerScope: 'container',
  runtimeRequestTimeout: '2m0s',
  hairpinMode: 'promiscuous-bridge',
  maxPods: 110,
  podPidsLimit: -1,
  resolvConf: '/etc/resolv.conf',
  cpuCFSQuota: true,
  cpuCFSQuotaPeriod: '100ms',
  nodeStatusMaxImages: 50,
  maxOpenFiles: 1_000_000,
  // Differs: upstream speaks protobuf.
  contentType: 'application/json',
  kubeAPIQPS: 50,
  kubeAPIBurst: 100,
  // Differs: upstream pulls one image after the other.
  serializeImagePulls: false,
  evictionHard: EVICTION_HARD,
  evictionPressureTransitionPeriod: '5m0s',
  evictionMaxPodGracePeriod: 0,
  mergeDefaultEvictionSettings: false,
  podsPerCore: 0,
  enableControllerAttachDetach: true,
  protectKernelDefaults: false,
  makeIPTablesUtilChains: true,
  iptablesMasqueradeBit: 14,
  iptablesDropBit: 15,
  // Differs: upstream does not start where swap is on. Here such a node works, and pods get none of it unless memorySwap says so.
  failSwapOn: false,
  memorySwap: { swapBehavior: '' },
  containerLogMaxSize: '10Mi',
  containerLogMaxFiles: 5,
  containerLogMaxWorkers: 1,
  containerLogMonitorInterval: '10s',
  configMapAndSecretChangeDetectionStrategy: 'Watch',
  reservedSystemCPUs: '',
  enforceNodeAllocatable: ['pods'],
  systemReservedCgroup: '',
  kubeReservedCgroup: '',
  volumePluginDir: '/usr/libexec/kubernetes/kubelet-plugins/volume/exec/',
  providerID: '',
  kernelMemcgNotification: false,
  logging: { format: 'text', verbosity: 0 },
  enableSystemLogHandler: true,
  enableSystemLogQuery: false,
  enableProfilingHandler: true,
  // Differs: there are no flags of klog to change.
  enableDebugFlagsHandler: false,
  shutdownGracePeriod: '0s',
  shutdownGracePeriodCriticalPods: '0s',
  crashLoopBackOff: { maxContainerRestartPeriod: '5m0s' },
  seccompDefault: false,
  memoryThrottlingFactor: 0.9,
  registerNode: true,
  localStorageCapacityIsolation: true,
  containerRuntimeEndpoint: '',
  podLogsDir: '',
  // Differs: upstream refuses cgroup v1 unless this is set to false.
  failCgroupV1: false,
  userNamespaces: { idsPerPod: 65536 },
} satisfies ConfigurationFile;

/** Image pulls at once where nothing is said. Differs: upstream has no bound once pulls run in parallel. */
const PARALLEL_PULLS = 4;

/** `T` with the members that `D` has always there. */
type Whole<T, D> = D extends readonly unknown[]
  ? T
  : D extends object
    ? string extends keyof D
      ? T
      : Omit<T, keyof D> & { [K in keyof D & keyof T]-?: Whole<NonNullable<T[K]>, D[K]> }
    : T;

type DeepReadonly<T> = T extends string ? T : T extends object ? { readonly [K in keyof T]: DeepReadonly<T[K]> } : T;

/** All settings, defaults filled in. Frozen. Optional here is what has no default. */
export type KubeletConfiguration = DeepReadonly<Whole<ConfigurationFile, typeof DEFAULTS>>;

/** Fills in what `file` leaves out; text that is empty, 0 and `0s` mean the same as nothing where upstream takes them so. */
export function withDefaults(file: ConfigurationFile): KubeletConfiguration {
  const filled = fill(file as Record<string, unknown>, DEFAULTS, '') as ConfigurationFile;
  const whole: ConfigurationFile = {
    ...filled,
    // Whoever looks more often wants it told as often.
    nodeStatusReportFrequency: isUnset(file.nodeStatusReportFrequency)
      ? isUnset(file.nodeStatusUpdateFrequency)
        ? DEFAULTS.nodeStatusReportFrequency
        : filled.nodeStatusUpdateFrequency
      : filled.nodeStatusReportFrequency,
    ...parallelPulls(file),
    podPidsLimit: Math.max(-1, filled.podPidsLimit ?? -1),
    ...(file.mergeDefaultEvictionSettings === true ? { evictionHard: { ...EVICTION_HARD, ...file.evictionHard } } : {}),
  };
  return freeze(whole) as KubeletConfiguration;
}

/** A duration of the configuration in milliseconds. @throws Error for text that is none: validation comes first */
export function durationMs(text: string): number {
  const ms = parseDurationMs(text);
  if (ms === undefined) throw new Error(`${JSON.stringify(text)} is no duration`);
  return ms;
}

function parallelPulls({ serializeImagePulls, maxParallelImagePulls }: ConfigurationFile): ConfigurationFile {
  const serial = serializeImagePulls ?? (maxParallelImagePulls === undefined ? false : maxParallelImagePulls < 2);
  return { serializeImagePulls: serial, maxParallelImagePulls: maxParallelImagePulls ?? (serial ? 1 : PARALLEL_PULLS) };
}

/** Where zero is a value of its own: pointers in upstream's types. */
const ZERO_COUNTS: ReadonlySet<string> = new Set([
  'registryPullQPS',
  'eventRecordQPS',
  'healthzPort',
  'oomScoreAdj',
  'imageGCHighThresholdPercent',
  'imageGCLowThresholdPercent',
  'podPidsLimit',
  'resolvConf',
  'cpuCFSQuotaPeriod',
  'nodeStatusMaxImages',
  'kubeAPIQPS',
  'iptablesMasqueradeBit',
  'iptablesDropBit',
  'containerLogMaxFiles',
  'containerLogMaxWorkers',
  'containerLogMonitorInterval',
  'memoryThrottlingFactor',
  'maxParallelImagePulls',
  'crashLoopBackOff.maxContainerRestartPeriod',
  'userNamespaces.idsPerPod',
]);

function isUnset(value: unknown): boolean {
  return value === undefined || value === null || value === '' || value === 0 || value === '0s';
}

function fill(given: Readonly<Record<string, unknown>>, defaults: object, at: string): Record<string, unknown> {
  const filled: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(given)) if (value !== undefined && value !== null) filled[key] = value;
  for (const [key, fallback] of Object.entries(defaults) as [string, unknown][]) {
    const value = filled[key];
    const isStruct = isJsonObject(fallback) && fallback !== EVICTION_HARD;
    if (isStruct) filled[key] = fill(isJsonObject(value) ? value : {}, fallback, `${at}${key}.`);
    else if (value === undefined || (isUnset(value) && !ZERO_COUNTS.has(at + key))) filled[key] = fallback;
  }
  return filled;
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) freeze(member);
  return Object.freeze(value);
}
