/**
 * Kinds that are stored, validated and shown, and that nothing in this version acts upon: what whoever writes one is told. A kind leaves
 * this table with the change that makes it work; docs/support.md lists the same. Kinds whose controllers are other people's (Ingress) are not in it.
 */

/** By `group/Kind`. Kinds that are data alone (PodTemplate, ControllerRevision) need nothing that acts. */
export const inactiveKinds: Readonly<Record<string, string>> = {
  'admissionregistration.k8s.io/MutatingAdmissionPolicy':
    'k8ts stores MutatingAdmissionPolicies but does not apply them yet',
  'admissionregistration.k8s.io/MutatingAdmissionPolicyBinding':
    'k8ts stores MutatingAdmissionPolicyBindings but does not apply them yet',
  'admissionregistration.k8s.io/MutatingWebhookConfiguration':
    'k8ts stores MutatingWebhookConfigurations but does not call webhooks yet',
  'admissionregistration.k8s.io/ValidatingAdmissionPolicy':
    'k8ts stores ValidatingAdmissionPolicies but does not enforce them yet',
  'admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding':
    'k8ts stores ValidatingAdmissionPolicyBindings but does not enforce them yet',
  'admissionregistration.k8s.io/ValidatingWebhookConfiguration':
    'k8ts stores ValidatingWebhookConfigurations but does not call webhooks yet',
  'flowcontrol.apiserver.k8s.io/FlowSchema': 'k8ts stores FlowSchemas but does not sort requests by them yet',
  'flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration':
    'k8ts stores PriorityLevelConfigurations but does not limit requests by them yet',
  'resource.k8s.io/DeviceClass': 'k8ts stores DeviceClasses but allocates no devices yet',
  'resource.k8s.io/ResourceClaim': 'k8ts stores ResourceClaims but allocates no devices yet',
  'resource.k8s.io/ResourceClaimTemplate': 'k8ts stores ResourceClaimTemplates but makes no claims of them yet',
  'resource.k8s.io/ResourceSlice': 'k8ts stores ResourceSlices but allocates no devices yet',
  'storage.k8s.io/CSIStorageCapacity': 'k8ts stores CSIStorageCapacities but the scheduler does not look at them yet',
  'storage.k8s.io/VolumeAttributesClass': 'k8ts stores VolumeAttributesClasses but changes no volumes by them yet',
};
