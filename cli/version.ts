/** Versions: k8ts's own (set by the build) and that of the Kubernetes API it speaks. */
declare const K8TS_VERSION: string | undefined;

export const k8tsVersion = typeof K8TS_VERSION === 'string' ? K8TS_VERSION : '0.0.0-dev';
export const kubernetesVersion = 'v1.36.0';

export function versionText(): { k8ts: string; kubernetes: string; node: string; text: string } {
  const text = `k8ts ${k8tsVersion} (Kubernetes ${kubernetesVersion}, Node.js ${process.version})`;
  return { k8ts: k8tsVersion, kubernetes: kubernetesVersion, node: process.version, text };
}
