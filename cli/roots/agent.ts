/** `k8ts agent`: a node of a cluster whose control plane is elsewhere. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Client } from '../../machinery/client/client.ts';
import { HttpTransport } from '../../machinery/client/http-transport.ts';
import { RestClient } from '../../machinery/client/rest-client.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import { writeFileAtomic } from '../../machinery/process/write-file-atomic.ts';
import {
  clusterSettingsOf,
  readClusterSettings,
  type ClusterSettings,
  type ClusterSettingsData,
} from '../cluster-objects.ts';
import { nodeNameOf } from '../config.ts';
import type { DaemonContext } from '../daemon.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import { loadIdentity, renewClient, renewIdentity, renewServing } from '../join/node-identity.ts';
import { nodeAddresses } from '../node-address.ts';
import { readKubeletFile } from '../kubelet-file.ts';
import { labelsOf, startNode } from './node.ts';
import { startRuntime } from './node-runtime.ts';

const RETRY_MS = 1_000;

export async function assembleAgent(context: DaemonContext): Promise<void> {
  const { config, paths, progress, logger, facts } = context;
  const kubeletFile = await readKubeletFile(config);
  const nodeName = nodeNameOf(config);
  const known = await loadIdentity(paths);
  if (known === undefined) {
    throw new CliError(
      'This machine is not a node of any cluster yet; on the control machine run: k8ts token create, and here what it prints',
      exitCodes.usage,
    );
  }
  facts.apiServer = known.server;
  let identity = known;
  const clientAs = (part: string): RestClient =>
    new RestClient(
      new HttpTransport({
        servers: [known.server],
        userAgent: `k8ts ${part}`,
        // Those that are good when a connection is made.
        credentials: {
          tls: () => ({ ca: identity.caPem, cert: identity.client.certPem, key: identity.client.keyPem }),
          token: () => Promise.resolve(undefined),
        },
      }),
      { fieldManager: part },
    );
  const runtime = startRuntime(context, kubeletFile);
  runtime.catch(() => undefined);
  const kubelet = clientAs('kubelet');
  const cluster = await progress.step(
    'control plane',
    () => settingsOf(kubelet, join(paths.dataDir, 'agent', 'cluster.json'), context),
    () => known.server,
  );
  const nodeIps = nodeAddresses(config.nodeIp, cluster);
  identity = await renewIdentity(known, { nodeName, nodeIps }, systemClock.now(), paths).catch((error: unknown) => {
    logger.warn({ err: error }, 'the certificates of this node cannot be renewed now; going on with those it has');
    return known;
  });
  await startNode(
    context,
    await runtime,
    { kubelet, host: new URL(known.server).host, services: clientAs('kube-proxy') },
    {
      nodeIps,
      cluster,
      serving: {
        pair: identity.serving,
        renew: async (names, signal) => {
          await renewServing(identity, nodeName, names, paths, signal);
          return identity.serving;
        },
      },
      client: {
        pair: identity.client,
        renew: async (_names, signal) => {
          await renewClient(identity, nodeName, paths, signal);
          return identity.client;
        },
      },
      clientCaPem: identity.caPem,
      kubeletFile,
      labels: labelsOf(config.nodeLabels),
    },
  );
}

/**
 * The cluster's settings: as the control plane says them, else as it said them last, so that a node that starts while the control plane is
 * away looks after its pods all the same.
 */
async function settingsOf(client: Client, file: string, { logger, signal }: DaemonContext): Promise<ClusterSettings> {
  for (;;) {
    try {
      const settings = await readClusterSettings(client);
      await writeFileAtomic(file, JSON.stringify(settings), 0o644);
      return clusterSettingsOf(settings);
    } catch (error) {
      logger.warn({ err: error }, 'the control plane cannot be asked for the settings of the cluster');
      if (existsSync(file)) return clusterSettingsOf(JSON.parse(readFileSync(file, 'utf8')) as ClusterSettingsData);
      await systemClock.sleep(RETRY_MS, signal);
    }
  }
}
