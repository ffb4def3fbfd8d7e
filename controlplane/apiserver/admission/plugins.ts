/**
 * The admission plugins in the order in which they are asked, which is upstream's. Policies and webhooks
 * have their places marked.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { LimitRange, Namespace, ResourceQuota, ServiceAccount } from '../../../proto/api/core-v1.ts';
import type { IngressClass } from '../../../proto/api/networking-v1.ts';
import type { RuntimeClass } from '../../../proto/api/node-v1.ts';
import type { PriorityClass } from '../../../proto/api/scheduling-v1.ts';
import type { StorageClass } from '../../../proto/api/storage-v1.ts';
import type { Authorizer } from '../authz/authorizer.ts';
import type { RbacAuthorizer } from '../authz/rbac-authorizer.ts';
import type { ResourceStorage } from '../storage/storage.ts';
import type { AdmissionPlugin } from './admission.ts';
import { certificateSigning } from './certificate-signing.ts';
import { defaultIngressClass } from './default-ingress-class.ts';
import { defaultStorageClass } from './default-storage-class.ts';
import { defaultTolerationSeconds } from './default-toleration-seconds.ts';
import { limitRanger } from './limit-ranger.ts';
import { namespaceLifecycle } from './namespace-lifecycle.ts';
import { nodeRestriction } from './node-restriction.ts';
import { priorityAdmission } from './priority.ts';
import { rbacEscalation } from './rbac-escalation.ts';
import { resourceQuotaAdmission } from './resource-quota.ts';
import { runtimeClassAdmission } from './runtime-class.ts';
import { serviceAccountAdmission } from './service-account.ts';
import { storageInUseProtection } from './storage-in-use-protection.ts';
import { taintNodesByCondition } from './taint-nodes-by-condition.ts';
import { volumeClaimResize } from './volume-claim-resize.ts';

export interface AdmissionOptions {
  storageOf<T extends AnyObject>(group: string, resource: string): ResourceStorage<T>;
  readonly rbac: RbacAuthorizer;
  readonly authorizer: Authorizer;
  readonly clock: Clock;
}

export function admissionPlugins({ storageOf, rbac, authorizer, clock }: AdmissionOptions): AdmissionPlugin[] {
  return [
    namespaceLifecycle(storageOf<Namespace>('', 'namespaces')),
    limitRanger(storageOf<LimitRange>('', 'limitranges')),
    serviceAccountAdmission(storageOf<ServiceAccount>('', 'serviceaccounts'), clock),
    nodeRestriction,
    taintNodesByCondition,
    priorityAdmission(storageOf<PriorityClass>('scheduling.k8s.io', 'priorityclasses')),
    defaultTolerationSeconds,
    storageInUseProtection,
    runtimeClassAdmission(storageOf<RuntimeClass>('node.k8s.io', 'runtimeclasses')),
    defaultIngressClass(storageOf<IngressClass>('networking.k8s.io', 'ingressclasses')),
    defaultStorageClass(storageOf<StorageClass>('storage.k8s.io', 'storageclasses')),
    volumeClaimResize(storageOf<StorageClass>('storage.k8s.io', 'storageclasses')),
    // mutating policies and webhooks
    certificateSigning(authorizer),
    rbacEscalation(rbac, authorizer),
    // validating policies and webhooks
    // Last: what it has counted is written.
    resourceQuotaAdmission(storageOf<ResourceQuota>('', 'resourcequotas')),
  ];
}
