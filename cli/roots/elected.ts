/**
 * Parts of which one alone may work in a cluster of several control nodes: scheduler, controllers. Each term of leading gets a part of its
 * own, made from nothing, so that nothing of an earlier term is left in it.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { Client } from '../../machinery/client/client.ts';
import { LeaderElector } from '../../machinery/client/leader-elector.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import type { Component } from '../../machinery/process/component.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import { running } from './running.ts';

export interface ElectedOptions {
  /** Name of the Lease in kube-system, which is upstream's: its own components wait for ours, and ours for them. */
  lease: string;
  /** Acts as the user whose Lease it is. */
  client: Client;
  logger: Logger;
  onLeading?: ((leads: boolean) => void) | undefined;
  /** Default upstream's 15 s, 10 s and 2 s. */
  periods?: ElectionPeriods | undefined;
}

export interface ElectionPeriods {
  readonly leaseDurationMs: number;
  readonly renewDeadlineMs: number;
  readonly retryPeriodMs: number;
}

/** Ready at once: whoever leads, somebody does the work. */
export function elected(
  { lease, client, logger, onLeading, periods }: ElectedOptions,
  create: () => Component,
): Component {
  const elector = new LeaderElector({
    client,
    lease: { namespace: 'kube-system', name: lease },
    identity: `${hostname()}_${randomUUID()}`,
    clock: systemClock,
    logger,
    onLeading,
    ...(periods === undefined ? {} : { ...periods, leaseDurationSeconds: Math.floor(periods.leaseDurationMs / 1000) }),
  });
  return running(lease, signal => elector.run(signal, leading => create().run(leading)));
}
