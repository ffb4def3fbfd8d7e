/**
 * Warnings about pods and pod templates that upstream gives too: what is deprecated, hidden or treated otherwise than it reads.
 * Source: kubernetes `pkg/api/pod/warnings.go`, 1.36.
 */
import { dns1123Label } from '../../../../machinery/meta/names.ts';
import type { Container, PodSpec, Volume } from '../../../../proto/api/core-v1.ts';

const NODE_LABELS: Readonly<Record<string, string>> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'failure-domain.beta.kubernetes.io/region': 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone': 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  'beta.kubernetes.io/instance-type': 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
};

const VOLUMES: Readonly<Partial<Record<keyof Volume, string>>> = {
  photonPersistentDisk: 'deprecated in v1.11, non-functional in v1.16+',
  gitRepo: 'deprecated in v1.11',
  scaleIO: 'deprecated in v1.16, non-functional in v1.22+',
  flocker: 'deprecated in v1.22, non-functional in v1.25+',
  storageos: 'deprecated in v1.22, non-functional in v1.25+',
  quobyte: 'deprecated in v1.22, non-functional in v1.25+',
  glusterfs: 'deprecated in v1.25, non-functional in v1.26+',
  cephfs: 'deprecated in v1.28, non-functional in v1.31+',
  rbd: 'deprecated in v1.28, non-functional in v1.31+',
};

/** The name of a pod is its hostname as well. */
export function podNameWarnings(name: string): string[] {
  const problems = dns1123Label(name);
  if (problems.length === 0) return [];
  const why = "this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended";
  return [`metadata.name: ${why}: [${problems.join(' ')}]`];
}

/** @param root where the spec stands: `spec`, `spec.template.spec` */
export function podSpecWarnings(spec: PodSpec, root: string): string[] {
  const warnings: string[] = [];
  for (const label of Object.keys(spec.nodeSelector ?? {})) {
    const why = NODE_LABELS[label];
    if (why !== undefined) warnings.push(`${root}.nodeSelector[${label}]: ${why}`);
  }
  for (const [i, volume] of (spec.volumes ?? []).entries()) {
    for (const [kind, why] of Object.entries(VOLUMES))
      if (volume[kind as keyof Volume] !== undefined) warnings.push(`${root}.volumes[${i}].${kind}: ${why}`);
  }
  for (const [i, { name = '' }] of (spec.imagePullSecrets ?? []).entries()) {
    const at = `${root}.imagePullSecrets[${i}].name`;
    if (name === '') warnings.push(`${at}: invalid empty name ""`);
    else if (spec.imagePullSecrets?.findIndex(secret => secret.name === name) !== i)
      warnings.push(`${at}: duplicate name "${name}"`);
  }
  for (const [i, { ip }] of (spec.hostAliases ?? []).entries())
    if (spec.hostAliases?.findIndex(alias => alias.ip === ip) !== i)
      warnings.push(`${root}.hostAliases[${i}].ip: duplicate ip "${ip}"`);
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) {
    const why = 'must be >= 0; negative values are invalid and will be treated as 1';
    warnings.push(`${root}.terminationGracePeriodSeconds: ${why}`);
  }
  for (const list of ['initContainers', 'containers'] as const)
    for (const [i, container] of (spec[list] ?? []).entries())
      hiddenVariables(warnings, container, `${root}.${list}[${i}]`);
  return warnings;
}

function hiddenVariables(warnings: string[], { env = [] }: Container, path: string): void {
  const seen = new Set<string>();
  for (const [i, { name = '', value = '' }] of env.entries()) {
    // A value that is made of the one before it hides nothing.
    if (seen.has(name) && !value.includes(`$(${name})`)) {
      const why = `hides previous definition of "${name}", which may be dropped when using apply`;
      warnings.push(`${path}.env[${i}]: ${why}`);
    }
    seen.add(name);
  }
}
