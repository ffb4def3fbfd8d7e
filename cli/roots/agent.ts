/** `k8ts agent`: a node of a cluster whose control plane is elsewhere. */
import { fixedCredentials } from '../../machinery/client/credentials.ts';
import { HttpTransport } from '../../machinery/client/http-transport.ts';
import { RestClient } from '../../machinery/client/rest-client.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import { readClusterSettings } from '../cluster-objects.ts';
import { nodeNameOf } from '../config.ts';
import type { DaemonContext } from '../daemon.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import { loadIdentity, renewIdentity } from '../join/node-identity.ts';
import { nodeAddress } from '../node-address.ts';
import { labelsOf, startNode, startRuntime } from './node.ts';

const RETRY_MS = 1_000;

export async function assembleAgent(context: DaemonContext): Promise<void> {
  const { config, paths, progress, logger, facts, signal } = context;
  const nodeName = nodeNameOf(config);
  const nodeIp = config.nodeIp ?? nodeAddress();
  const known = await loadIdentity(paths);
  if (known === undefined) {
    throw new CliError(
      'This machine is not a node of any cluster yet; on the control machine run: k8ts token create, and here what it prints',
      exitCodes.usage,
    );
  }
  facts.apiServer = known.server;
  const clientAs = (part: string): RestClient =>
    new RestClient(
      new HttpTransport({
        servers: [known.server],
        userAgent: `k8ts ${part}`,
        credentials: fixedCredentials({ ca: known.caPem, cert: known.client.certPem, key: known.client.keyPem }),
      }),
      { fieldManager: part },
    );
  const runtime = startRuntime(context);
  runtime.catch(() => undefined);
  const kubelet = clientAs('kubelet');
  // The control plane may be down for a while: pods that run here go on meanwhile, and nothing is lost by waiting.
  const cluster = await progress.step(
    'control plane',
    async () => {
      for (;;) {
        try {
          return await readClusterSettings(kubelet);
        } catch (error) {
          logger.warn({ server: known.server, err: error }, 'the control plane cannot be asked; trying again');
          await systemClock.sleep(RETRY_MS, signal);
        }
      }
    },
    () => known.server,
  );
  const identity = await renewIdentity(known, { nodeName, nodeIp }, systemClock.now(), paths).catch(
    (error: unknown) => {
      logger.warn({ err: error }, 'the certificates of this node cannot be renewed now; going on with those it has');
      return known;
    },
  );
  await startNode(
    context,
    await runtime,
    { kubelet, services: clientAs('kube-proxy') },
    {
      nodeIp,
      cluster,
      serving: identity.serving,
      clientCaPem: identity.caPem,
      labels: labelsOf(config.nodeLabels),
    },
  );
}
