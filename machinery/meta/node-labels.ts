/**
 * Labels of Kubernetes' own domains that a kubelet may give its node: those that say what the machine is. All others are the
 * administrator's, so that a node cannot call pods to itself. Source: `k8s.io/kubelet/pkg/apis`, KubeletLabels; plugin NodeRestriction.
 */
const KUBELET_LABELS: ReadonlySet<string> = new Set([
  'kubernetes.io/hostname',
  'kubernetes.io/os',
  'kubernetes.io/arch',
  'beta.kubernetes.io/os',
  'beta.kubernetes.io/arch',
  'beta.kubernetes.io/instance-type',
  'node.kubernetes.io/instance-type',
  'failure-domain.beta.kubernetes.io/region',
  'failure-domain.beta.kubernetes.io/zone',
  'topology.kubernetes.io/region',
  'topology.kubernetes.io/zone',
]);

/** Whether a kubelet may set the label; labels of other domains it may. */
export function mayKubeletSet(key: string): boolean {
  const domain = key.slice(0, Math.max(0, key.indexOf('/')));
  if (domain === 'node-restriction.kubernetes.io' || domain.endsWith('.node-restriction.kubernetes.io')) return false;
  const isKubernetes = /(^|\.)(kubernetes\.io|k8s\.io)$/.test(domain);
  return !isKubernetes || KUBELET_LABELS.has(key) || /(^|\.)(kubelet|node)\.kubernetes\.io$/.test(domain);
}
