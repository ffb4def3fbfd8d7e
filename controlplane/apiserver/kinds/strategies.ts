/**
 * Every strategy, one for each stored kind. Adding a kind is its strategy and a line here.
 *
 * A few kinds have further forms that are converted rather than stored: see `convertedKinds`.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { KindInfo } from '../../../proto/api/kinds.ts';
import type { Conversion } from '../registry/served-resource.ts';
import type { Strategy } from '../registry/strategy.ts';
import {
  mutatingAdmissionPolicyBindingStrategy,
  mutatingAdmissionPolicyStrategy,
} from './admissionregistration/mutating-admission-policy.ts';
import {
  validatingAdmissionPolicyBindingStrategy,
  validatingAdmissionPolicyStrategy,
} from './admissionregistration/validating-admission-policy.ts';
import {
  mutatingWebhookConfigurationStrategy,
  validatingWebhookConfigurationStrategy,
} from './admissionregistration/webhook-configurations.ts';
import { autoscalingV1Conversion } from './autoscaling/autoscaling-v1.ts';
import { horizontalPodAutoscalerStrategy } from './autoscaling/horizontal-pod-autoscaler.ts';
import { batchV1beta1Conversion } from './batch/batch-v1beta1.ts';
import { cronJobStrategy } from './batch/cron-job.ts';
import { jobStrategy } from './batch/job.ts';
import { certificateSigningRequestStrategy } from './certificates/certificate-signing-request.ts';
import { leaseStrategy } from './coordination/lease.ts';
import { configMapStrategy } from './core/config-map.ts';
import { endpointsStrategy } from './core/endpoints.ts';
import { namespaceStrategy } from './core/namespace.ts';
import { nodeStrategy } from './core/node.ts';
import { secretStrategy } from './core/secret.ts';
import { serviceAccountStrategy } from './core/service-account.ts';
import { discoveryV1beta1Conversion } from './discovery/discovery-v1beta1.ts';
import { endpointSliceStrategy } from './discovery/endpoint-slice.ts';
import { eventStrategy, seriesEventStrategy } from './event/event.ts';
import { eventConversion } from './event/events-v1.ts';
import { flowSchemaStrategy } from './flowcontrol/flow-schema.ts';
import { priorityLevelConfigurationStrategy } from './flowcontrol/priority-level-configuration.ts';
import { kindInfo } from './kind-info.ts';
import { ingressClassStrategy } from './networking/ingress-class.ts';
import { ingressStrategy } from './networking/ingress.ts';
import { ipAddressStrategy } from './networking/ip-address.ts';
import { networkPolicyStrategy } from './networking/network-policy.ts';
import { serviceCidrStrategy } from './networking/service-cidr.ts';
import { podStrategy } from './pod/pod.ts';
import { limitRangeStrategy } from './policy/limit-range.ts';
import { podDisruptionBudgetStrategy } from './policy/pod-disruption-budget.ts';
import { policyV1beta1Conversion } from './policy/policy-v1beta1.ts';
import { resourceQuotaStrategy } from './policy/resource-quota.ts';
import { clusterRoleBindingStrategy, roleBindingStrategy } from './rbac/role-binding.ts';
import { clusterRoleStrategy, roleStrategy } from './rbac/role.ts';
import { deviceClassStrategy } from './resource/device-class.ts';
import { resourceClaimTemplateStrategy } from './resource/resource-claim-template.ts';
import { resourceClaimStrategy } from './resource/resource-claim.ts';
import { resourceSliceStrategy } from './resource/resource-slice.ts';
import { priorityClassStrategy } from './scheduling/priority-class.ts';
import { runtimeClassStrategy } from './scheduling/runtime-class.ts';
import { serviceStrategy } from './service/service.ts';
import { csiDriverStrategy } from './storage/csi-driver.ts';
import { csiNodeStrategy } from './storage/csi-node.ts';
import { csiStorageCapacityStrategy } from './storage/csi-storage-capacity.ts';
import { persistentVolumeClaimStrategy } from './storage/persistent-volume-claim.ts';
import { persistentVolumeStrategy } from './storage/persistent-volume.ts';
import { withFinalizerRule } from './validation/finalizers.ts';
import { withSpec } from './validation/with-spec.ts';
import { withWarnings } from './warnings/with-warnings.ts';
import { storageClassStrategy } from './storage/storage-class.ts';
import { volumeAttachmentStrategy } from './storage/volume-attachment.ts';
import { volumeAttributesClassStrategy } from './storage/volume-attributes-class.ts';
import { controllerRevisionStrategy } from './workload/controller-revision.ts';
import { daemonSetStrategy } from './workload/daemon-set.ts';
import { deploymentStrategy } from './workload/deployment.ts';
import { podTemplateStrategy } from './workload/pod-template-kind.ts';
import { replicaSetStrategy } from './workload/replica-set.ts';
import { replicationControllerStrategy } from './workload/replication-controller.ts';
import { statefulSetStrategy } from './workload/stateful-set.ts';

/** The strategies of all kinds that are stored. */
export const strategies: readonly Strategy[] = (
  [
    configMapStrategy,
    endpointsStrategy,
    eventStrategy,
    limitRangeStrategy,
    namespaceStrategy,
    nodeStrategy,
    persistentVolumeClaimStrategy,
    persistentVolumeStrategy,
    podStrategy,
    podTemplateStrategy,
    replicationControllerStrategy,
    resourceQuotaStrategy,
    secretStrategy,
    serviceAccountStrategy,
    serviceStrategy,
    controllerRevisionStrategy,
    daemonSetStrategy,
    deploymentStrategy,
    replicaSetStrategy,
    statefulSetStrategy,
    horizontalPodAutoscalerStrategy,
    cronJobStrategy,
    jobStrategy,
    certificateSigningRequestStrategy,
    leaseStrategy,
    endpointSliceStrategy,
    ingressClassStrategy,
    ingressStrategy,
    networkPolicyStrategy,
    runtimeClassStrategy,
    podDisruptionBudgetStrategy,
    clusterRoleBindingStrategy,
    clusterRoleStrategy,
    roleBindingStrategy,
    roleStrategy,
    priorityClassStrategy,
    storageClassStrategy,
    csiDriverStrategy,
    csiNodeStrategy,
    csiStorageCapacityStrategy,
    volumeAttachmentStrategy,
    volumeAttributesClassStrategy,
    mutatingAdmissionPolicyBindingStrategy,
    mutatingAdmissionPolicyStrategy,
    mutatingWebhookConfigurationStrategy,
    validatingAdmissionPolicyBindingStrategy,
    validatingAdmissionPolicyStrategy,
    validatingWebhookConfigurationStrategy,
    flowSchemaStrategy,
    priorityLevelConfigurationStrategy,
    ipAddressStrategy,
    serviceCidrStrategy,
    deviceClassStrategy,
    resourceClaimStrategy,
    resourceClaimTemplateStrategy,
    resourceSliceStrategy,
  ] as Strategy[]
).map(strategy => withWarnings(withFinalizerRule(withSpec(strategy))));

/** A served form of a kind that is stored as another. */
export interface ConvertedKind {
  readonly info: KindInfo;
  /** The strategy of the stored form. */
  readonly strategy: Strategy;
  readonly conversion: Conversion;
}

export const convertedKinds: readonly ConvertedKind[] = [
  converted(kindInfo('events.k8s.io', 'Event'), seriesEventStrategy, eventConversion),
  converted(
    kindInfo('autoscaling', 'HorizontalPodAutoscaler', 'v1'),
    horizontalPodAutoscalerStrategy,
    autoscalingV1Conversion,
  ),
  converted(kindInfo('batch', 'CronJob', 'v1beta1'), cronJobStrategy, batchV1beta1Conversion),
  converted(
    kindInfo('discovery.k8s.io', 'EndpointSlice', 'v1beta1'),
    endpointSliceStrategy,
    discoveryV1beta1Conversion,
  ),
  converted(kindInfo('policy', 'PodDisruptionBudget', 'v1beta1'), podDisruptionBudgetStrategy, policyV1beta1Conversion),
];

function converted<T extends AnyObject>(info: KindInfo, strategy: Strategy<T>, conversion: Conversion): ConvertedKind {
  return { info, strategy: withWarnings(withFinalizerRule(withSpec(strategy as unknown as Strategy))), conversion };
}

/** The strategy that serves `info`: its own, or that of the form that is stored. */
export function strategyOf(info: KindInfo): Strategy {
  const own = strategies.find(
    ({ info: { group, version, kind } }) => group === info.group && version === info.version && kind === info.kind,
  );
  const found = own ?? convertedKinds.find(converted => converted.info === info)?.strategy;
  if (found === undefined) throw new Error(`no strategy for ${info.kind} in group "${info.group}"`);
  return found;
}
