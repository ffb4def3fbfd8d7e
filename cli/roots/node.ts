/**
 * Puts a node together: kubelet and its API, pod network, proxy, network policy and DNS. The clients come from outside, so that a node in
 * the API server's own process and one far away are built the same way.
 */
import { join } from 'node:path';
import type { Client } from '../../machinery/client/client.ts';
import type { RestClient } from '../../machinery/client/rest-client.ts';
import { EventRecorder } from '../../machinery/client/event-recorder.ts';
import { endpointSlices, nodes, pods, services } from '../../machinery/client/resource.ts';
import { SharedInformerFactory } from '../../machinery/client/shared-informer.ts';
import { errorText } from '../../machinery/meta/error-text.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import { detectCgroups } from '../../agent/host/cgroup-layout.ts';
import { GuardedFiles } from '../../agent/host/files/guarded-files.ts';
import { readMachineInfo } from '../../agent/host/machine-info.ts';
import type { ConfigurationFile } from '../../agent/kubelet/config/plan/kubelet-configuration.ts';
import { CertificateMetrics } from '../../agent/kubelet/certificates/certificate-metrics.ts';
import { namesOfNode } from '../../agent/kubelet/certificates/plan/rotation.ts';
import { RotatingCertificate, type CertificateSource } from '../../agent/kubelet/certificates/rotating-certificate.ts';
import { KeptObjects } from '../../agent/kept-objects.ts';
import { createKubelet } from '../../agent/kubelet/kubelet.ts';
import { loadCredentialProviders } from '../../agent/kubelet/images/load-credential-providers.ts';
import { ContainerEvents } from '../../agent/kubelet/runtime/container-events.ts';
import { downloadProgress } from '../../agent/kubelet/runtime/images/download-progress.ts';
import { requestMetrics } from '../../machinery/client/client-metrics.ts';
import { createKubeletApi } from '../../agent/kubelet/server/create-kubelet-api.ts';
import type { Logger } from '../../machinery/process/logger.ts';
import { nodeNameOf, type Config } from '../config.ts';
import type { DaemonContext } from '../daemon.ts';
import { CliError, exitCodes } from '../exit-codes.ts';
import type { ClusterSettings } from '../cluster-objects.ts';
import { familyOf } from '../network-ranges.ts';
import { kubernetesVersion } from '../version.ts';
import { createDns } from './dns.ts';
import { kubeletSettings } from './kubelet-settings.ts';
import { createLocalPath } from './local-path.ts';
import { dnsAnswers, nodeIsReady } from './node-checks.ts';
import { createNodeNetwork, problemsOf } from './node-network.ts';
import type { RuntimeParts } from './node-runtime.ts';
import { createPolicy, type PolicyParts } from './policy.ts';
import { answerProxyQuestions, createProxy } from './proxy.ts';
import { running, stoppedLast } from './running.ts';
import { withUsageFailure } from './usage-failure.ts';

/** Who the parts of a node are to the API server. */
export interface NodeClients {
  kubelet: RestClient;
  /** Where its requests go, as metrics say it. */
  host: string;
  /** Reads services, their endpoints and nodes, for the proxy, the pod network and DNS. */
  services: Client;
}

export interface NodeOptions {
  /** One a family, the primary one first. */
  nodeIps: readonly string[];
  cluster: ClusterSettings;
  /** The kubelet's own certificate. */
  serving: CertificateSource;
  /** By which a joined node is known to the API server. */
  client?: CertificateSource;
  /** Authority of those who may talk to the kubelet. */
  clientCaPem: string;
  /** What the kubelet's configuration file says. */
  kubeletFile: ConfigurationFile;
  labels: Readonly<Record<string, string>>;
}

/** All but the runtime; resolves when the node is Ready and cluster DNS answers. */
export async function startNode(
  context: DaemonContext,
  parts: RuntimeParts,
  clients: NodeClients,
  options: NodeOptions,
): Promise<void> {
  const { config, paths, progress, logger, start, facts } = context;
  const { cluster, nodeIps } = options;
  const clock = systemClock;
  const nodeName = nodeNameOf(config);
  warnOfLacks(nodeIps, cluster, logger);
  const [clusterDns = ''] = cluster.clusterDns;
  const { filter } = parts;
  facts.proxyMode = `${filter.mode}: ${filter.reason}`;
  logger.info({ part: 'proxy', mode: filter.mode, reason: filter.reason }, 'how services are forwarded');
  facts.clusterDns = cluster.clusterDns.join(', ');

  const informers = new SharedInformerFactory({ client: clients.kubelet, clock, logger });
  const serviceInformers = new SharedInformerFactory({
    client: clients.services,
    clock,
    logger,
    keptOf: new KeptObjects().of,
  });
  const recorder = new EventRecorder({ client: clients.kubelet, clock, logger, component: 'kubelet', host: nodeName });
  const nodeInformer = serviceInformers.informer(nodes);

  const dns = createDns({
    cluster,
    informers: serviceInformers,
    metricsSocket: config.dnsMetricsBindAddress,
    hasRules: filter.mode !== 'userspace',
    recordsFile: join(paths.dataDir, 'agent', 'dns-records.json'),
    log: logger.child({ part: 'dns' }),
  });
  const proxy = createProxy({
    config,
    cluster,
    filter,
    client: clients.services,
    services: serviceInformers.informer(services),
    endpointSlices: serviceInformers.informer(endpointSlices),
    nodes: nodeInformer,
    localServiceIPs: dns.answeredHere,
    links: parts.links,
    sysctls: parts.sysctls,
    log: logger.child({ part: 'proxy' }),
  });
  const network = createNodeNetwork(
    { config, paths, parts },
    {
      nodes: nodeInformer,
      nodeName,
      clusterCIDRs: cluster.clusterCidrs,
      serviceCIDRs: cluster.serviceCidrs,
      localServiceIPs: dns.held,
      filter,
      sandboxIds: async () => new Set((await parts.cri.listPodSandbox()).map(({ id }) => id)),
      ruleChanges: proxy.ruleEvents,
      // Policies are another network's business, and ours again when it goes.
      onStatus: () => policy.policies.nodeChanged(),
      clock,
      log: logger.child({ part: 'network' }),
    },
  );
  const policy: PolicyParts = createPolicy({
    filter,
    client: clients.services,
    informers: serviceInformers,
    localPods: informers.informer(pods, { fieldSelector: `spec.nodeName=${nodeName}` }),
    nodeName,
    answered: dns.answeredHere,
    isOurNetwork: () => network.status().reason !== 'OtherNetwork',
    sysctls: parts.sysctls,
    ruleChanges: proxy.ruleEvents,
    log: logger.child({ part: 'policy' }),
  });
  dns.follow(() => {
    proxy.localServiceIPsChanged();
    policy.policies.nodeChanged();
  });
  const localPath = createLocalPath(config, paths, clients.kubelet, logger);
  const configuration = kubeletSettings(options.kubeletFile, { config, paths, cluster });
  const kubelet = createKubelet({
    configuration,
    client: clients.kubelet,
    informers,
    services: serviceInformers.informer(services),
    runtime: parts.cri,
    images: parts.cri,
    downloads: downloadProgress(parts.cri),
    credentialProviders: await credentialProvidersOf(config),
    recorder,
    clock,
    logger: logger.child({ part: 'kubelet' }),
    events: listener => new ContainerEvents({ client: parts.cri, clock, logger, ...listener }),
    makeLocalFolder: volume => localPath.folders.make(volume),
    files: new GuardedFiles({
      workerArgv: [process.execPath, process.argv[1] ?? '', 'file-worker'],
      clock,
      home: paths.kubelet,
    }),
    machine: await readMachineInfo(),
    cgroupLayout: await detectCgroups(),
    cgroupRoot: [config.cgroupRoot],
    nodeName,
    nodeIPs: nodeIps,
    extraAddresses: (config.nodeExternalIp ?? []).map(address => ({ type: 'ExternalIP', address })),
    problems: () => problemsOf(network.status()),
    onNode: node => {
      serving.setNames(namesOfNode(node));
      localPath.component.nodeSeen(node);
    },
    onPodAddresses: (pod, ips, signal) => policy.policies.podAddresses(pod, ips, signal),
    labels: options.labels,
    version: kubernetesVersion,
    folders: { root: paths.kubelet, podLogs: paths.podLogs, containerLogs: paths.containerLogs },
  });
  policy.measureIn(kubelet.metrics.registry);
  clients.kubelet.observe(requestMetrics(kubelet.metrics.registry, clients.host));
  parts.cri.observe((method, seconds, failed) => kubelet.metrics.runtimeCall(method, seconds, failed));
  const rotating = (kind: 'client' | 'server', source: CertificateSource): RotatingCertificate =>
    new RotatingCertificate({
      kind,
      source,
      onRenewed: () => (kind === 'server' ? api.renewCertificate() : undefined),
      metrics: new CertificateMetrics(kubelet.metrics.registry, clock),
      clock,
      logger: logger.child({ part: 'certificates' }),
      random: Math.random,
    });
  const serving = rotating('server', options.serving);
  const api = createKubeletApi({
    client: clients.kubelet,
    nodeName,
    configuration,
    serving: () => serving.current,
    clientCaPem: options.clientCaPem,
    access: kubelet.access,
    runtime: parts.cri,
    reports: kubelet.reports,
    metrics: kubelet.metrics.registry,
    health: () => kubelet.health(),
    root: paths.kubelet,
    version: kubernetesVersion,
    flags: config,
    clock,
    logger: logger.child({ part: 'kubelet-server' }),
  });

  const dnsServer = dns.server;
  await start(stoppedLast('node-events', () => recorder.stop()));
  await Promise.all([
    start(running('node-informers', signal => informers.run(signal))),
    start(running('service-informers', signal => serviceInformers.run(signal))),
    progress.step('kubelet API', () => Promise.all(api.servers.map(start))),
    // Whoever brings a certificate looks after it as well.
    ...(configuration.tlsCertFile === '' ? [start(serving)] : []),
    ...(options.client === undefined ? [] : [start(rotating('client', options.client))]),
    start(localPath.component),
    progress.step('kubelet', () => start(withUsageFailure(kubelet))),
    progress
      .step('pod network', () => start(network))
      .then(() => (dnsServer === undefined ? undefined : progress.step('cluster DNS', () => start(dnsServer))))
      .then(() => Promise.all(dns.components.map(start))),
    ...proxy.components.map(start),
    ...policy.components.map(start),
    start(policy.policies),
    progress.step(
      'proxy',
      () => start(proxy.proxier),
      () => filter.mode,
    ),
  ]);
  answerProxyQuestions(context.questions, proxy.proxier);
  await Promise.all([
    progress.step(
      'node is Ready',
      () => nodeIsReady(nodeInformer, nodeName, context.signal),
      () => nodeName,
    ),
    // Others who answer are pods, and may come later.
    dnsServer === undefined
      ? undefined
      : progress.step(
          'DNS answers',
          () => dnsAnswers(clusterDns, `kubernetes.default.svc.${cluster.clusterDomain}`, context.signal),
          () => clusterDns,
        ),
  ]);
}

/** A node without the second family works, and its pods are out of reach by it. */
function warnOfLacks(nodeIps: readonly string[], { clusterCidrs }: ClusterSettings, logger: Logger): void {
  const have = nodeIps.map(familyOf);
  for (const family of clusterCidrs.map(familyOf).filter(one => !have.includes(one)))
    logger.warn(
      { family, nodeIps },
      'this node has no address of a family that the cluster has: it cannot be reached by it; give the machine one, or name it with --node-ip',
    );
}

/** `key=value` of the command line. */
export function labelsOf(texts: readonly string[] | undefined): Record<string, string> {
  return Object.fromEntries(
    (texts ?? []).map(text => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]),
  );
}

/** @throws CliError when the configuration is wrong, or names a program that is not there */
async function credentialProvidersOf(config: Config) {
  const { imageCredentialProviderConfig: path, imageCredentialProviderBinDir: binDir } = config;
  if (path === undefined || binDir === undefined) return undefined;
  try {
    return { providers: await loadCredentialProviders(path, binDir), binDir };
  } catch (error) {
    const message = `--image-credential-provider-config: ${errorText(error)}`;
    throw new CliError(message, exitCodes.usage, { cause: error });
  }
}
