/**
 * Puts a control plane together: store, API server, scheduler and controllers, in one process. Scheduler and controllers reach the API over
 * the in-process transport, each as the user that it is upstream.
 */
import { writeKubeconfig } from '../../machinery/client/kubeconfig.ts';
import { RestClient } from '../../machinery/client/rest-client.ts';
import { ServiceAccountTokens } from '../../machinery/pki/service-account-tokens.ts';
import { hostPort } from '../../machinery/meta/host-port.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import { createApiServer, type ApiServer } from '../../controlplane/apiserver/api-server.ts';
import { createControllers } from '../../controlplane/controllers/create-controllers.ts';
import { dnsModeOf } from '../dns-mode.ts';
import { publishClusterSettings, publishDnsService, type ClusterSettings } from '../cluster-objects.ts';
import { nodeNameOf, type Config } from '../config.ts';
import { readSchedulerFile, type SchedulerFile } from '../scheduler-file.ts';
import { publishLocalPathClass } from '../local-path-class.ts';
import type { DaemonContext } from '../daemon.ts';
import { nodeMaskSizes, nthAddress, rangesOf } from '../network-ranges.ts';
import { nodeAddresses } from '../node-address.ts';
import { loadClusterPki, type ClusterPki } from './cluster-pki.ts';
import { openStore } from './open-store.ts';
import { startControlPart } from './control-part.ts';
import { schedulerPart } from './scheduler-part.ts';
import { running } from './running.ts';

/** What the rest of the process needs of the control plane that runs in it. */
export interface ControlPlane {
  pki: ClusterPki;
  cluster: ClusterSettings;
  advertiseAddress: string;
  /** A client that acts as the given user. */
  clientAs(name: string, groups?: readonly string[]): RestClient;
}

/** A running API server and clients of it. */
interface Served {
  apiServer: ApiServer;
  clientAs: ControlPlane['clientAs'];
}

const SERVICE_ACCOUNT_GROUPS = ['system:serviceaccounts', 'system:serviceaccounts:kube-system'];

export async function startControlPlane(context: DaemonContext): Promise<ControlPlane> {
  const { config, paths, progress, logger, start, facts } = context;
  const without = new Set(config.without);
  // What is wrong with the file is said before anything is done.
  const scheduler = without.has('scheduler') ? undefined : await readSchedulerFile(config);
  const clock = systemClock;
  const ownAddresses = nodeAddresses(config.nodeIp, rangesOf(config));
  const advertiseAddress = config.advertiseAddress ?? ownAddresses[0] ?? '';
  const issuer = `https://kubernetes.default.svc.${config.clusterDomain}`;
  const cluster: ClusterSettings = {
    clusterDns: config.clusterDns ?? config.serviceCidr.map(cidr => nthAddress(cidr, 10)),
    clusterDnsMode: dnsModeOf(config.clusterDnsMode) ?? 'auto',
    clusterDomain: config.clusterDomain,
    clusterCidrs: config.clusterCidr,
    serviceCidrs: config.serviceCidr,
  };
  const server = `https://${hostPort(advertiseAddress, config.securePort)}`;

  const pki = await progress.step('certificates', () =>
    loadClusterPki(
      paths,
      {
        dnsNames: [
          'localhost',
          nodeNameOf(config),
          ...kubernetesNames(config.clusterDomain),
          ...(config.tlsSan ?? []).filter(n => !isAddress(n)),
        ],
        ipAddresses: [
          '127.0.0.1',
          '::1',
          advertiseAddress,
          ...ownAddresses,
          ...config.serviceCidr.map(cidr => nthAddress(cidr, 1)),
          ...(config.tlsSan ?? []).filter(isAddress),
        ],
      },
      clock.now(),
    ),
  );
  const { store, keyPrefix } = await openStore(context);
  const apiServer = createApiServer({
    store,
    storeKeyPrefix: keyPrefix,
    clock,
    logger: logger.child({ part: 'apiserver' }),
    tls: { cert: pki.apiServer.certPem, key: pki.apiServer.keyPem, clientCA: pki.authority.certPem },
    bindAddress: config.bindAddress,
    port: config.securePort,
    advertiseAddress,
    serviceCIDR: config.serviceCidr.join(),
    nodePortRange: config.serviceNodePortRange,
    runtimeConfig: config.runtimeConfig,
    serviceAccountKeys: { signingKey: pki.serviceAccountKeyPem },
    serviceAccountIssuer: issuer,
    kubelet: { cert: pki.kubeletClient.certPem, key: pki.kubeletClient.keyPem, ca: pki.authority.certPem },
    clusterInfo: { server, caPem: pki.authority.certPem },
  });
  const clientAs = (name: string, groups: readonly string[] = []): RestClient =>
    new RestClient(apiServer.inProcess({ name, groups }), { fieldManager: name });
  // The store outlives the server that writes to it.
  const serving = running(
    'apiserver',
    async signal => {
      try {
        await apiServer.run(signal);
      } finally {
        await store.close();
      }
    },
    () => apiServer.ready(),
  );
  await progress.step(
    'API server',
    () => start(serving),
    () => server,
  );
  facts.apiServer = server;
  facts.kubeconfig = paths.adminKubeconfig;
  await writeKubeconfig(paths.adminKubeconfig, {
    name: 'k8ts',
    server,
    tls: { ca: pki.authority.certPem, cert: pki.admin.certPem, key: pki.admin.keyPem },
  });

  const admin = clientAs('system:k8ts', ['system:masters']);
  await Promise.all([
    scheduler === undefined ? undefined : startScheduler(context, { apiServer, clientAs }, scheduler),
    without.has('controllers') ? undefined : startControllers(context, { apiServer, clientAs }, pki, issuer),
    publishClusterSettings(admin, cluster),
    // Claims of a class that nobody serves would wait for ever.
    without.has('local-path') || without.has('controllers') ? undefined : publishLocalPathClass(admin),
    // Whoever brings another DNS brings its Service as well.
    cluster.clusterDnsMode === 'external' ? undefined : publishDnsService(admin, cluster.clusterDns),
  ]);
  return { pki, cluster, advertiseAddress, clientAs };
}

function startScheduler(
  context: DaemonContext,
  { apiServer, clientAs }: Served,
  settings: SchedulerFile,
): Promise<void> {
  const client = clientAs('system:kube-scheduler');
  const { config, logger } = context;
  return startControlPart(context, {
    name: 'scheduler',
    lease: 'kube-scheduler',
    client,
    apiServer,
    election: settings.leaderElection,
    bindAddress: config.schedulerBindAddress,
    create: metrics => schedulerPart(settings, client, logger, metrics),
  });
}

function startControllers(
  context: DaemonContext,
  { apiServer, clientAs }: Served,
  pki: ClusterPki,
  issuer: string,
): Promise<void> {
  const { config, logger } = context;
  const clock = systemClock;
  const client = clientAs('system:kube-controller-manager');
  return startControlPart(context, {
    name: 'controllers',
    lease: 'kube-controller-manager',
    client,
    apiServer,
    bindAddress: config.controllersBindAddress,
    create: (metrics, observe) =>
      createControllers({
        clientFor: name => observe(clientAs(`system:serviceaccount:kube-system:${name}`, SERVICE_ACCOUNT_GROUPS)),
        informerClient: client,
        clock,
        logger: logger.child({ part: 'controllers' }),
        authority: pki.authority,
        reservedNames: reservedNames(config),
        tokens: new ServiceAccountTokens({ issuer, signingKeyPem: pki.serviceAccountKeyPem, clock }),
        clusterCidrs: config.clusterCidr,
        nodeMaskSizes: nodeMaskSizes(config),
        legacyTokenSecrets: config.legacyTokenSecrets,
        localPath: config.without?.includes('local-path') !== true,
        metrics,
      }),
  });
}

/** By which the API server is reached and a machine is not: who had a certificate for one of them could stand in for it. */
function reservedNames(config: Config): string[] {
  const own = new Set([nodeNameOf(config), ...nodeAddresses(config.nodeIp, rangesOf(config))]);
  return [
    ...kubernetesNames(config.clusterDomain),
    ...config.serviceCidr.map(cidr => nthAddress(cidr, 1)),
    ...(config.tlsSan ?? []).filter(name => !own.has(name)),
  ];
}

function kubernetesNames(domain: string): string[] {
  return ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', `kubernetes.default.svc.${domain}`];
}

function isAddress(name: string): boolean {
  return /^[\d.]+$/.test(name) || name.includes(':');
}
