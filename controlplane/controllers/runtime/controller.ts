/**
 * What every controller is and gets. A controller registers its informers' handlers when constructed and works from `run()` on.
 */
import { setMaxListeners } from 'node:events';
import type { Client } from '../../../machinery/client/client.ts';
import type { EventSink } from '../../../machinery/client/event-recorder.ts';
import type { Informer, InformerFactory } from '../../../machinery/client/informer.ts';
import type { Reconciler } from '../../../machinery/client/reconcile.ts';
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { runReconciler, type ReconcileObserver } from '../../../machinery/client/run-reconciler.ts';
import type { WorkQueue } from '../../../machinery/client/work-queue.ts';
import { aborted } from '../../../machinery/process/aborted.ts';
import type { Clock } from '../../../machinery/process/clock.ts';
import type { Logger } from '../../../machinery/process/logger.ts';

/** What a controller works with. `client` and `events` act as the controller's own service account. */
export interface ControllerContext {
  client: Client;
  informers: InformerFactory;
  events: EventSink;
  clock: Clock;
  logger: Logger;
  observer?: ReconcileObserver | undefined;
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
  const { clock, logger, observer } = context;
  await Promise.race([Promise.all(informers.map(informer => informer.synced())), aborted(signal)]);
  await runReconciler({ name, queue, reconciler, workers, clock, logger, observer }, signal);
}
