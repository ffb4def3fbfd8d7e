/**
 * What every controller is and gets. A controller registers its informers' handlers when constructed and works from `run()` on.
 */
import { setMaxListeners } from 'node:events';
import type { Client } from '../../../machinery/client/client.ts';
import type { EventSink } from '../../../machinery/client/event-recorder.ts';
import { queueMetrics } from '../../../machinery/client/client-metrics.ts';
import type { Informer, InformerFactory } from '../../../machinery/client/informer.ts';
import type { Reconciler } from '../../../machinery/client/reconcile.ts';
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { runReconciler, type ReconcileObserver } from '../../../machinery/client/run-reconciler.ts';
import type { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { aborted } from '../../../machinery/process/aborted.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';
import type { MetricsRegistry } from '../../../machinery/process/metrics.ts';

/** What a controller works with. `client` and `events` act as the controller's own service account. */
export interface ControllerContext {
  client: Client;
  informers: InformerFactory;
  events: EventSink;
  clock: Clock;
  logger: Logger;
  observer?: ReconcileObserver | undefined;
  /** Where it counts what it does, under upstream's names. */
  metrics?: MetricsRegistry | undefined;
}

export interface Controller {
  /** The name of its service account in kube-system: `deployment-controller`. */
  readonly name: string;
  /** Resolves when `signal` aborted and nothing of it goes on. */
  run(signal: AbortSignal): Promise<void>;
}

export interface QueueRun<K> {
  name: string;
  context: ControllerContext;
  queue: WorkQueue<K>;
  reconciler: Reconciler<K>;
  /** Nothing is reconciled before these have synced: half a view makes wrong decisions. */
  informers: readonly Pick<Informer<AnyObject>, 'synced'>[];
  /** Default 4. */
  workers?: number | undefined;
}

/** Waits for the informers, then runs the reconciler until `signal` aborts. */
export async function runQueue<K>(run: QueueRun<K>, signal: AbortSignal): Promise<void> {
  setMaxListeners(0, signal);
  const { name, context, queue, reconciler, informers, workers } = run;
  const { clock, logger, observer, metrics } = context;
  if (metrics !== undefined) queueMetrics(metrics, queueNameOf(name), queue);
  await Promise.race([Promise.all(informers.map(informer => informer.synced())), aborted(signal)]);
  await runReconciler({ name, queue, reconciler, workers, clock, logger, observer }, signal);
}

/** Queues that upstream's metrics call otherwise than their controller without `-controller`. */
const QUEUE_NAMES: Readonly<Record<string, string>> = {
  'replication-controller': 'replicationmanager',
  'daemon-set-controller': 'daemonset',
  'ttl-after-finished-controller': 'ttl_jobs_to_delete',
  'endpointslice-controller': 'endpoint_slice',
  'endpointslicemirroring-controller': 'endpoint_slice_mirroring',
  'horizontal-pod-autoscaler': 'horizontalpodautoscaler',
  'service-account-controller': 'serviceaccount',
  'tokens-controller': 'serviceaccount_tokens_secret',
  'root-ca-cert-publisher': 'root_ca_cert_publisher',
  'resourcequota-controller': 'resourcequota_primary',
  'generic-garbage-collector': 'garbage_collector_attempt_to_delete',
  'node-controller': 'node_lifecycle_controller',
  'taint-eviction-controller': 'noexec_taint_pod',
  'pod-garbage-collector': 'orphaned_pods_nodes',
  'clusterrole-aggregation-controller': 'ClusterRoleAggregator',
  'bootstrap-signer': 'bootstrap_signer_queue',
  'persistentvolume-binder': 'claims',
  'pvc-protection-controller': 'pvcprotection',
  'pv-protection-controller': 'pvprotection',
  'ephemeral-volume-controller': 'ephemeral_volume',
  'expand-controller': 'volume_expand',
};

function queueNameOf(controller: string): string {
  return QUEUE_NAMES[controller] ?? controller.replace(/-controller$/, '');
}
