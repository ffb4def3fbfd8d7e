/**
 * All controllers as one Component: one set of informers, and for each controller a client that acts as its own service account.
 */
import { setMaxListeners } from 'node:events';
import type { Client } from '../../machinery/client/client.ts';
import { EventRecorder } from '../../machinery/client/event-recorder.ts';
import type { ReconcileObserver } from '../../machinery/client/run-reconciler.ts';
import { SharedInformerFactory } from '../../machinery/client/shared-informer.ts';
import { withoutManagedFields } from '../../machinery/meta/object.ts';
import type { KeyPair } from '../../machinery/pki/certificate.ts';
import type { Clock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import type { MetricsRegistry } from '../../machinery/process/metrics.ts';
import { AdmissionPolicyStatusController } from './admission-policy-status/admission-policy-status-controller.ts';
import { AttachDetachController } from './attach-detach/attach-detach-controller.ts';
import { BootstrapTokenController } from './bootstrap/bootstrap-token-controller.ts';
import { CronJobController } from './cronjob/cronjob-controller.ts';
import { CsrCleaner } from './csr/csr-cleaner.ts';
import { CsrController } from './csr/csr-controller.ts';
import { DaemonSetController } from './daemonset/daemonset-controller.ts';
import { DeploymentController } from './deployment/deployment-controller.ts';
import { DisruptionController } from './disruption/disruption-controller.ts';
import { EndpointsController } from './endpoints/endpoints-controller.ts';
import { EndpointSliceController } from './endpointslice/endpointslice-controller.ts';
import { EndpointSliceMirroringController } from './endpointslice-mirroring/endpointslice-mirroring-controller.ts';
import { EphemeralVolumeController } from './ephemeral-volume/ephemeral-volume-controller.ts';
import { GarbageCollector } from './garbage-collector/garbage-collector.ts';
import { HorizontalPodAutoscalerController } from './horizontal-pod-autoscaler/horizontal-pod-autoscaler-controller.ts';
import { JobController } from './job/job-controller.ts';
import { LocalPathController } from './local-path/local-path-controller.ts';
import { NamespaceController } from './namespace/namespace-controller.ts';
import { NodeCidrController } from './node-cidr/node-cidr-controller.ts';
import { NodeLifecycleController } from './node-lifecycle/node-lifecycle-controller.ts';
import { TaintEvictionController } from './node-lifecycle/taint-eviction-controller.ts';
import { PodGcController } from './pod-gc/pod-gc-controller.ts';
import { replicaSetKind, replicationControllerKind } from './replicaset/replica-kind.ts';
import { ReplicaSetController } from './replicaset/replicaset-controller.ts';
import { ResourceQuotaController } from './resource-quota/resource-quota-controller.ts';
import { RoleAggregationController } from './role-aggregation/role-aggregation-controller.ts';
import { RootCaController } from './root-ca/root-ca-controller.ts';
import type { Controller, ControllerContext } from './runtime/controller.ts';
import { TokenController, type LegacyTokenIssuer } from './service-account-token/token-controller.ts';
import { ServiceCidrsController } from './service-cidr/service-cidrs-controller.ts';
import { ServiceAccountController } from './serviceaccount/service-account-controller.ts';
import { StatefulSetController } from './statefulset/statefulset-controller.ts';
import { TtlAfterFinishedController } from './ttl-after-finished/ttl-after-finished-controller.ts';
import { VolumeBinderController } from './volume-binder/volume-binder-controller.ts';
import { VolumeExpandController } from './volume-expand/volume-expand-controller.ts';
import { ClaimProtectionController } from './volume-protection/claim-protection-controller.ts';
import { VolumeProtectionController } from './volume-protection/volume-protection-controller.ts';

export interface ControllersOptions {
  /** A client that acts as `system:serviceaccount:kube-system:<name>`. */
  clientFor(name: string): Client;
  /** Reads what all informers watch: acts as a user that may list everything. */
  informerClient: Client;
  clock: Clock;
  logger: Logger;
  /** The cluster's authority: signs nodes' certificates, and its certificate is published in every namespace. */
  authority: KeyPair;
  /** Names and addresses for which no node gets a certificate: the API server's, but for those of machines that may be nodes. */
  reservedNames?: readonly string[] | undefined;
  /** Authority of the API server's own certificate, if another one. PEM. */
  rootCaPem?: string | undefined;
  tokens: LegacyTokenIssuer;
  /** Ranges that nodes get their pod addresses from, one a family; none: nodes get none. */
  clusterCidrs: readonly string[];
  /** Length of the prefix of a node's part of each; default /24, of IPv6 /64. */
  nodeMaskSizes?: readonly number[];
  /** Ended pods that may stay, default 12,500. */
  terminatedPodThreshold?: number | undefined;
  /** Makes a token Secret for every ServiceAccount; default false. */
  legacyTokenSecrets?: boolean | undefined;
  /** Makes the volumes of storage classes of the local-path provisioner; default true. */
  localPath?: boolean | undefined;
  observer?: ReconcileObserver | undefined;
  /** Where work queues and controllers count; default nowhere. */
  metrics?: MetricsRegistry | undefined;
}

export function createControllers(options: ControllersOptions): Component {
  return new Controllers(options);
}

class Controllers implements Component {
  readonly name = 'controllers';
  private readonly options: ControllersOptions;
  private readonly informers: SharedInformerFactory;
  private readonly recorders: EventRecorder[] = [];
  private readonly controllers: readonly Controller[];
  private readonly firstSync: Promise<void>;
  private onFirstSync: () => void = () => undefined;

  constructor(options: ControllersOptions) {
    this.options = options;
    const { informerClient: client, clock, logger } = options;
    this.informers = new SharedInformerFactory({
      client,
      clock,
      logger,
      fromNewest: true,
      keptOf: () => withoutManagedFields,
    });
    this.controllers = this.build();
    this.firstSync = new Promise(resolve => (this.onFirstSync = resolve));
  }

  ready(): Promise<void> {
    return this.firstSync;
  }

  async run(signal: AbortSignal): Promise<void> {
    setMaxListeners(0, signal);
    const informing = this.informers.run(signal);
    void this.informers.synced().then(this.onFirstSync);
    await Promise.all(this.controllers.map(controller => controller.run(signal)));
    await Promise.all(this.recorders.map(recorder => recorder.stop()));
    await informing;
  }

  private build(): Controller[] {
    const {
      authority,
      rootCaPem = authority.certPem,
      tokens: issuer,
      clusterCidrs,
      legacyTokenSecrets = false,
    } = this.options;
    const controllers: Controller[] = [
      new NamespaceController(this.contextFor('namespace-controller')),
      new ServiceAccountController(this.contextFor('service-account-controller')),
      new RootCaController(this.contextFor('root-ca-cert-publisher'), rootCaPem),
      new TokenController(this.contextFor('tokens-controller'), {
        caPem: rootCaPem,
        issuer,
        everyAccount: legacyTokenSecrets,
      }),
      new DeploymentController(this.contextFor('deployment-controller')),
      new ReplicaSetController(this.contextFor('replicaset-controller'), replicaSetKind),
      new ReplicaSetController(this.contextFor('replication-controller'), replicationControllerKind),
      new DaemonSetController(this.contextFor('daemon-set-controller')),
      new StatefulSetController(this.contextFor('statefulset-controller')),
      new JobController(this.contextFor('job-controller')),
      new CronJobController(this.contextFor('cronjob-controller')),
      new TtlAfterFinishedController(this.contextFor('ttl-after-finished-controller')),
      new VolumeBinderController(this.contextFor('persistentvolume-binder', 'persistent-volume-binder')),
      new EphemeralVolumeController(this.contextFor('ephemeral-volume-controller')),
      new ClaimProtectionController(this.contextFor('pvc-protection-controller')),
      new VolumeProtectionController(this.contextFor('pv-protection-controller')),
      new AttachDetachController(this.contextFor('attachdetach-controller')),
      new VolumeExpandController(this.contextFor('expand-controller')),
      new EndpointSliceController(this.contextFor('endpointslice-controller')),
      new EndpointsController(this.contextFor('endpoint-controller')),
      new EndpointSliceMirroringController(this.contextFor('endpointslicemirroring-controller')),
      new ServiceCidrsController(this.contextFor('service-cidrs-controller')),
      new DisruptionController(this.contextFor('disruption-controller')),
      new HorizontalPodAutoscalerController(this.contextFor('horizontal-pod-autoscaler')),
      new ResourceQuotaController(this.contextFor('resourcequota-controller')),
      new RoleAggregationController(this.contextFor('clusterrole-aggregation-controller')),
      new NodeLifecycleController(this.contextFor('node-controller')),
      new TaintEvictionController(this.contextFor('taint-eviction-controller', 'node-controller')),
      new PodGcController(this.contextFor('pod-garbage-collector'), this.options.terminatedPodThreshold),
      new AdmissionPolicyStatusController(this.contextFor('validatingadmissionpolicy-status-controller')),
      new GarbageCollector(this.contextFor('generic-garbage-collector')),
      new CsrController(this.contextFor('certificate-controller'), authority, this.options.reservedNames),
      new CsrCleaner(this.contextFor('csrcleaner', 'certificate-controller')),
      new BootstrapTokenController(this.contextFor('bootstrap-signer'), this.options.clientFor('token-cleaner')),
    ];
    if (this.options.localPath !== false)
      controllers.push(new LocalPathController(this.contextFor('local-path-provisioner')));
    if (clusterCidrs.length > 0) {
      controllers.push(
        new NodeCidrController(this.contextFor('node-ipam-controller', 'node-controller'), {
          clusterCidrs,
          nodeMaskSizes: this.options.nodeMaskSizes,
        }),
      );
    }
    return controllers;
  }

  /** @param account the service account it acts as, if not the one of its own name */
  private contextFor(name: string, account = name): ControllerContext {
    const { clock, observer, metrics } = this.options;
    const client = this.options.clientFor(account);
    const logger = this.options.logger.child({ controller: name });
    const events = new EventRecorder({ client, clock, logger, component: name });
    this.recorders.push(events);
    return { client, informers: this.informers, events, clock, logger, observer, metrics };
  }
}
