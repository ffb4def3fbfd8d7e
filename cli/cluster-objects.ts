/**
 * Objects that the control plane publishes about the cluster itself: what every node must know of it (ConfigMap `kube-public/k8ts-cluster`),
 * and the Service of cluster DNS, whose address each node answers by itself (see agent/dns).
 */
import type { Client } from '../machinery/client/client.ts';
import { dnsModeOf, type DnsMode } from './dns-mode.ts';
import { CliError, exitCodes } from './exit-codes.ts';
import { familyOf } from './network-ranges.ts';
import { configMaps, roleBindings, roles, services } from '../machinery/client/resource.ts';

export interface ClusterSettings {
  /** One a family at most, the first is of the primary one; so are the ranges. */
  clusterDns: readonly string[];
  clusterDnsMode: DnsMode;
  clusterDomain: string;
  clusterCidrs: readonly string[];
  serviceCidrs: readonly string[];
}

/** As it is published and kept: lists with commas between. */
export interface ClusterSettingsData {
  clusterDns: string;
  /** Absent in clusters that were made before there was a choice. */
  clusterDnsMode?: string | undefined;
  clusterDomain: string;
  clusterCidr: string;
  serviceCidr: string;
}

const NAMESPACE = 'kube-public';
const NAME = 'k8ts-cluster';
const FIELD_MANAGER = 'k8ts';

/** Writes the settings and lets nodes, and machines that are about to be nodes, read them. */
export async function publishClusterSettings(client: Client, settings: ClusterSettings): Promise<void> {
  const apply = { type: 'apply', fieldManager: FIELD_MANAGER, force: true } as const;
  const metadata = { namespace: NAMESPACE, name: NAME };
  const ref = { namespace: NAMESPACE, name: NAME };
  const rbac = 'rbac.authorization.k8s.io';
  await Promise.all([
    client
      .of(configMaps)
      .patch(ref, { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { ...toData(settings) } }, apply),
    client.of(roles).patch(
      ref,
      {
        apiVersion: `${rbac}/v1`,
        kind: 'Role',
        metadata,
        rules: [{ apiGroups: [''], resources: ['configmaps'], resourceNames: [NAME], verbs: ['get'] }],
      },
      apply,
    ),
    client.of(roleBindings).patch(
      ref,
      {
        apiVersion: `${rbac}/v1`,
        kind: 'RoleBinding',
        metadata,
        roleRef: { apiGroup: rbac, kind: 'Role', name: NAME },
        subjects: ['system:nodes', 'system:bootstrappers'].map(name => ({ apiGroup: rbac, kind: 'Group', name })),
      },
      apply,
    ),
  ]);
}

/**
 * The Service `kube-system/kube-dns`: for people and programs that look for it. As long as it has no endpoints no rule is made of it.
 * @throws CliError where the cluster was made with another address: its pods ask that one
 */
export async function publishDnsService(client: Client, clusterDns: readonly string[]): Promise<void> {
  const metadata = {
    namespace: 'kube-system',
    name: 'kube-dns',
    labels: { 'k8s-app': 'kube-dns', 'kubernetes.io/cluster-service': 'true', 'kubernetes.io/name': 'CoreDNS' },
  };
  const ports = [
    { name: 'dns', port: 53, protocol: 'UDP', targetPort: 53 },
    { name: 'dns-tcp', port: 53, protocol: 'TCP', targetPort: 53 },
  ];
  const ref = { namespace: metadata.namespace, name: metadata.name };
  const { items } = await client
    .of(services)
    .list({ namespace: ref.namespace, fieldSelector: `metadata.name=${ref.name}` });
  const { clusterIPs: before = [] } = items[0]?.spec ?? {};
  if (before.some((address, i) => (i === 0 || i < clusterDns.length) && address !== clusterDns[i])) {
    const message = `This cluster was made with cluster DNS at ${before.join()}, and the configuration now says ${clusterDns.join()}; start it with the --service-cidr and --cluster-dns that it was made with, or remove it (k8ts reset) and make a new one`;
    throw new CliError(message, exitCodes.failed);
  }
  await client
    .of(services)
    .patch(
      ref,
      { apiVersion: 'v1', kind: 'Service', metadata, spec: { ...addressesOf(clusterDns), ports } },
      { type: 'apply', fieldManager: FIELD_MANAGER, force: true },
    );
}

function addressesOf(clusterDns: readonly string[]) {
  return {
    clusterIP: clusterDns[0],
    clusterIPs: clusterDns,
    ipFamilies: clusterDns.map(familyOf),
    ipFamilyPolicy: clusterDns.length === 2 ? 'RequireDualStack' : 'SingleStack',
  };
}

/** @throws StatusError, or Error naming the setting that is missing */
export async function readClusterSettings(client: Client): Promise<ClusterSettingsData> {
  const { data = {} } = await client.of(configMaps).get({ namespace: NAMESPACE, name: NAME });
  const field = (name: Exclude<keyof ClusterSettingsData, 'clusterDnsMode'>): string => {
    const value = data[name];
    if (value === undefined)
      throw new Error(
        `The cluster's settings (${NAMESPACE}/${NAME}) lack "${name}"; is the control plane older than this node?`,
      );
    return value;
  };
  return {
    clusterDns: field('clusterDns'),
    clusterDnsMode: data['clusterDnsMode'],
    clusterDomain: field('clusterDomain'),
    clusterCidr: field('clusterCidr'),
    serviceCidr: field('serviceCidr'),
  };
}

function toData({
  clusterDns,
  clusterDnsMode,
  clusterDomain,
  clusterCidrs,
  serviceCidrs,
}: ClusterSettings): ClusterSettingsData {
  const [clusterCidr, serviceCidr] = [clusterCidrs.join(), serviceCidrs.join()];
  return { clusterDns: clusterDns.join(), clusterDnsMode, clusterDomain, clusterCidr, serviceCidr };
}

/** The settings that the data says. */
export function clusterSettingsOf(data: ClusterSettingsData): ClusterSettings {
  return {
    clusterDns: data.clusterDns.split(','),
    clusterDnsMode: dnsModeOf(data.clusterDnsMode) ?? 'auto',
    clusterDomain: data.clusterDomain,
    clusterCidrs: data.clusterCidr.split(','),
    serviceCidrs: data.serviceCidr.split(','),
  };
}
