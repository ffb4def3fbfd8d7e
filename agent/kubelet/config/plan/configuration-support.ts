/**
 * Settings of upstream's that this kubelet does not have. Each may be said with the value that is true here; any other is refused with
 * the reason, so that nobody believes in a setting that does nothing.
 */
import { forbiddenError, type FieldError } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { lack, lackingSettings, type LackingSetting } from '../../../../machinery/meta/lacking-settings.ts';
import type { ConfigurationFile } from './kubelet-configuration.ts';

const LACKS: readonly LackingSetting[] = [
  lack('syncFrequency', ['1m0s'], 'pods are looked at when something changes, not in periods; leave it out'),
  lack('rotateCertificates', [true], 'a node always renews its certificates'),
  lack('enableContentionProfiling', [false], 'there is no such profile of Node.js'),
  lack('containerRuntimeEndpoint', [], 'say --container-runtime-endpoint: k8ts down, reset and images need it as well'),
  lack('imageServiceEndpoint', [], 'images and containers come from one runtime'),
  lack('cgroupRoot', [], 'say --cgroup-root: k8ts down and reset need it as well'),
  lack('podLogsDir', [], 'say --log-dir: logs of pods lie in pods/ there'),
  lack('kubeletCgroups', [], 'k8ts stays in the control group that it is started in (systemd: Slice=)'),
  lack('systemCgroups', [], 'k8ts moves no processes of the host'),
  lack('cgroupsPerQOS', [true], 'there is always a control group for each class of service'),
  lack('cpuCFSQuota', [true], 'limits of processors are always held; leave the limit of a container out instead'),
  lack('cpuCFSQuotaPeriod', ['100ms'], 'processors are shared out in periods of 100 ms'),
  lack('qosReserved', [], 'memory is not reserved for classes of service; use requests'),
  lack('podCIDR', [], 'the range of a node comes from the control plane: --cluster-cidr'),
  lack('runOnce', [false], 'the kubelet always stays'),
  lack('maxOpenFiles', [1_000_000], 'set LimitNOFILE= where k8ts is started'),
  lack('contentType', ['application/json'], 'the kubelet speaks JSON'),
  lack('kubeAPIQPS', [50], 'requests to the API server are not limited here; the API server shares itself out'),
  lack('kubeAPIBurst', [100], 'requests to the API server are not limited here; the API server shares itself out'),
  lack('protectKernelDefaults', [false], "k8ts does not check the kernel's settings"),
  lack('configMapAndSecretChangeDetectionStrategy', ['Watch'], 'ConfigMaps and Secrets are watched'),
  lack('eventRecordQPS', [50], 'events are joined when they are alike, not counted by the second; leave it out'),
  lack('eventBurst', [100], 'events are joined when they are alike, not counted by the second; leave it out'),
  lack('enableControllerAttachDetach', [true], 'volumes are attached by the control plane'),
  lack('makeIPTablesUtilChains', [true], 'the proxy makes its chains itself'),
  lack('singleProcessOOMKill', [true], 'processes of a container that needs too much memory are killed one by one'),
  lack('enableDebugFlagsHandler', [false], 'say --log-level debug'),
  lack('showHiddenMetricsForVersion', [], 'no metrics are hidden'),
  lack('volumePluginDir', ['/usr/libexec/kubernetes/kubelet-plugins/volume/exec/'], 'FlexVolume is gone; use CSI'),
  lack('logging.format', ['text'], 'say --log-format json'),
  lack('logging.verbosity', [0], 'say --log-level debug'),
  lack('logging.vmodule', [], 'say --log-level debug'),
  lack('kernelMemcgNotification', [false], 'memory that falls fast is looked at every second instead'),
  lack('memoryThrottlingFactor', [0.9], 'memory.high is not set (upstream: feature MemoryQoS, alpha)'),
  lack('tracing', [], 'there are no traces'),
];

/** Features of upstream's that stand behind a gate: `true` for what is always on here. */
const GATES: ReadonlyMap<string, 'on' | 'choice'> = new Map([
  ['CPUManagerPolicyBetaOptions', 'on'],
  ['CPUManagerPolicyOptions', 'on'],
  ['ContainerRestartRules', 'on'],
  ['DisableCPUQuotaWithExclusiveCPUs', 'on'],
  ['GracefulNodeShutdown', 'on'],
  ['GracefulNodeShutdownBasedOnPodPriority', 'on'],
  ['ImageMaximumGCAge', 'on'],
  ['ImageVolume', 'on'],
  ['InPlacePodVerticalScaling', 'on'],
  ['KubeletCrashLoopBackOffMax', 'on'],
  ['KubeletEnsureSecretPulledImages', 'on'],
  ['KubeletPodResources', 'on'],
  ['KubeletPodResourcesGet', 'on'],
  ['KubeletPodResourcesListUseActivePods', 'on'],
  ['MemoryManager', 'on'],
  ['NodeLogQuery', 'on'],
  ['NodeSwap', 'on'],
  ['PodLevelResources', 'on'],
  ['PodLifecycleSleepAction', 'on'],
  ['RecursiveReadOnlyMounts', 'on'],
  ['ResourceHealthStatus', 'on'],
  ['RotateKubeletServerCertificate', 'on'],
  ['SidecarContainers', 'on'],
  ['SupplementalGroupsPolicy', 'on'],
  ['TopologyManagerPolicyBetaOptions', 'on'],
  ['TopologyManagerPolicyOptions', 'on'],
  ['UserNamespacesSupport', 'on'],
  // Crash loops begin with 1 s and end with 60 s.
  ['ReduceDefaultCrashLoopBackOffDecay', 'choice'],
]);

/** One error for each setting that cannot be had. */
export function unsupportedSettings(file: ConfigurationFile): FieldError[] {
  const errors = lackingSettings(LACKS, file);
  for (const [name, enabled] of Object.entries(file.featureGates ?? {})) {
    const gate = GATES.get(name);
    const path = FieldPath.of('featureGates').key(name);
    if (gate === undefined) errors.push(forbiddenError(path, 'k8ts does not know this feature gate; leave it out'));
    else if (gate === 'on' && !enabled) errors.push(forbiddenError(path, 'this feature is always on; leave it out'));
  }
  return errors;
}
