/**
 * A part of the control plane beside the API server, scheduler or controllers: elected where several machines share a store, with its port for
 * metrics and health.
 */
import type { RestClient } from '../../machinery/client/rest-client.ts';
import { requestMetrics } from '../../machinery/client/client-metrics.ts';
import type { Component } from '../../machinery/process/component.ts';
import { MetricsRegistry } from '../../machinery/process/metrics.ts';
import { processMetrics } from '../../machinery/process/process-metrics.ts';
import type { ApiServer } from '../../controlplane/apiserver/api-server.ts';
import type { DaemonContext } from '../daemon.ts';
import { socketOf } from '../socket-address.ts';
import { elected, type ElectionPeriods } from './elected.ts';

export interface ControlPartOptions {
  readonly name: 'scheduler' | 'controllers';
  /** Of upstream's component, which waits for ours and ours for it. */
  readonly lease: string;
  /** Acts as the user whose Lease it is. */
  readonly client: RestClient;
  readonly apiServer: ApiServer;
  /** Default: it is elected, with upstream's periods. */
  readonly election?: (ElectionPeriods & { readonly leaderElect: boolean }) | undefined;
  /** `host:port` or `none`. */
  readonly bindAddress: string;
  /** Makes the part, for each term of leading anew; what it counts goes into `metrics`. */
  create(metrics: MetricsRegistry, observe: (client: RestClient) => RestClient): Component;
}

/** Starts the part and resolves when it works, or waits to be elected. */
export async function startControlPart(context: DaemonContext, options: ControlPartOptions): Promise<void> {
  const { name, lease, client, apiServer, election } = options;
  const { progress, logger, start, config } = context;
  const standing = new MetricsRegistry();
  processMetrics(standing);
  const observer = requestMetrics(standing, `127.0.0.1:${config.securePort}`);
  const observe = (observed: RestClient): RestClient => {
    observed.observe(observer);
    return observed;
  };
  observe(client);
  let ofTerm = new MetricsRegistry();
  let isReady = false;
  const create = (): Component => {
    ofTerm = new MetricsRegistry();
    return options.create(ofTerm, observe);
  };
  // Other control nodes may work on the same store; a store of this machine's own needs no election.
  const isStoreShared = config.etcdServers !== undefined;
  let part: Component;
  if (isStoreShared && election?.leaderElect !== false) {
    const leads = standing.gauge('leader_election_master_status', 'Whether this process leads (1) or waits (0).', [
      'name',
    ]);
    leads.set(0, [lease]);
    const onLeading = (does: boolean): void => leads.set(does ? 1 : 0, [lease]);
    part = elected({ lease, client, logger, onLeading, periods: election }, create);
  } else part = create();
  apiServer.tellOf(name === 'controllers' ? 'controller-manager' : name, () => {
    if (!isReady) throw new Error('not started yet');
  });
  await progress.step(name, () => start(part));
  isReady = true;
  const socket = socketOf(options.bindAddress);
  if (socket === undefined) return;
  const { host: bindAddress, port } = socket;
  const metrics = (): string => standing.render() + ofTerm.render();
  await start(apiServer.componentServer({ name, bindAddress, port, metrics, isReady: () => isReady }));
}
