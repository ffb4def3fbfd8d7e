/** `k8ts up`: control plane and node in one process; what they say to each other never leaves it. */
import { nodes } from '../../machinery/client/resource.ts';
import { nodeNameOf } from '../config.ts';
import type { DaemonContext } from '../daemon.ts';
import { rangesOf } from '../network-ranges.ts';
import { nodeAddresses } from '../node-address.ts';
import { systemClock } from '../../machinery/process/clock.ts';
import type { KeyPair } from '../../machinery/pki/certificate.ts';
import type { CertificateNames } from '../../agent/kubelet/certificates/plan/rotation.ts';
import { bootstrappedServing } from './bootstrapped-serving.ts';
import { issueKubeletServing } from './cluster-pki.ts';
import { readKubeletFile } from '../kubelet-file.ts';
import { startControlPlane } from './control-plane.ts';
import { labelsOf, startNode } from './node.ts';
import { startRuntime } from './node-runtime.ts';

export async function assembleUp(context: DaemonContext): Promise<void> {
  const { config, paths } = context;
  const kubeletFile = await readKubeletFile(config);
  const nodeName = nodeNameOf(config);
  const nodeIps = nodeAddresses(config.nodeIp, rangesOf(config));
  const [controlPlane, parts] = await Promise.all([startControlPlane(context), startRuntime(context, kubeletFile)]);
  const { pki, cluster, clientAs } = controlPlane;
  const kubelet = clientAs(`system:node:${nodeName}`, ['system:nodes']);
  const issue = (names: CertificateNames): Promise<KeyPair> =>
    issueKubeletServing(paths, pki.authority, nodeName, names, systemClock.now());
  const own = { pair: await issue({ dnsNames: [nodeName], ipAddresses: nodeIps }), renew: issue };
  const serving =
    kubeletFile.serverTLSBootstrap === true ? bootstrappedServing(paths, kubelet, nodeName, own.pair) : own;
  await startNode(
    context,
    parts,
    { kubelet, host: 'in-process', services: clientAs('system:kube-proxy') },
    {
      nodeIps,
      cluster,
      serving,
      clientCaPem: pki.authority.certPem,
      kubeletFile,
      labels: labelsOf(config.nodeLabels),
    },
  );
  // A node may not give itself a role; the administrator does.
  const role = { metadata: { labels: { 'node-role.kubernetes.io/control-plane': '' } } };
  await clientAs('system:k8ts', ['system:masters']).of(nodes).patch({ name: nodeName }, role, { type: 'merge' });
}
