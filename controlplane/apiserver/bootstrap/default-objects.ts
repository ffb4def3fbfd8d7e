/**
 * Objects that every cluster has, as data: namespaces, priority classes and the authorities that extension servers believe.
 */
import type { AnyObject } from '../../../machinery/client/resource.ts';

export const SYSTEM_NAMESPACES = ['kube-system', 'kube-public', 'kube-node-lease', 'default'] as const;

export function namespaceObject(name: string): AnyObject {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name } };
}

export function priorityClasses(): AnyObject[] {
  const made = (name: string, value: number, description: string): AnyObject =>
    ({
      apiVersion: 'scheduling.k8s.io/v1',
      kind: 'PriorityClass',
      metadata: { name },
      value,
      description,
      preemptionPolicy: 'PreemptLowerPriority',
    }) as AnyObject;
  return [
    made(
      'system-node-critical',
      2_000_001_000,
      'Used for system critical pods that must not be moved from their current node.',
    ),
    made(
      'system-cluster-critical',
      2_000_000_000,
      'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
    ),
  ];
}

/** `kube-system/extension-apiserver-authentication` */
export function extensionAuthentication(clientCA: string): AnyObject {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'extension-apiserver-authentication', namespace: 'kube-system' },
    data: { 'client-ca-file': clientCA },
  } as AnyObject;
}

/** `kube-public/cluster-info`: where the cluster is and what CA it has, for whoever joins. */
export function clusterInfo(server: string, caPem: string): AnyObject {
  const kubeconfig = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: '', cluster: { server, 'certificate-authority-data': Buffer.from(caPem).toString('base64') } }],
    contexts: null,
    'current-context': '',
    preferences: {},
    users: null,
  };
  // JSON is YAML: no library is needed to write it.
  const data = { kubeconfig: `${JSON.stringify(kubeconfig)}\n` };
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'cluster-info', namespace: 'kube-public' },
    data,
  } as AnyObject;
}
