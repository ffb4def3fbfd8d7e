/** What of a pod matters to policies: a few hundred bytes of it, so that all pods of a cluster can be kept. */
import { canonicalAddress } from '../../../machinery/meta/ip-number.ts';
import { keyOf } from '../../../machinery/meta/object.ts';
import type { Pod } from '../../../proto/api/core-v1.ts';
import type { Protocol } from './model.ts';

export type Labels = Readonly<Record<string, string>>;

export interface NamedPort {
  readonly name: string;
  readonly protocol: Protocol;
  readonly port: number;
}

export interface PolicyPod {
  /** `namespace/name`, or another word that names it alone. */
  readonly key: string;
  readonly namespace: string;
  /** Tells it from another of its name. */
  readonly uid: string;
  readonly labels: Labels;
  /** In canonical form; none for pods without address, on the host's network or at their end: nothing is said of those. */
  readonly addresses: readonly string[];
  readonly ports: readonly NamedPort[];
}

const NO_PORTS: readonly NamedPort[] = [];
const NO_LABELS: Labels = {};

/** @param addresses instead of those in the status, where they are known sooner */
export function podFacts(pod: Pod, addresses?: readonly string[]): PolicyPod {
  const { namespace = '', labels = NO_LABELS } = pod.metadata;
  const told = addresses ?? pod.status?.podIPs?.map(({ ip }) => ip ?? '') ?? [pod.status?.podIP ?? ''];
  return {
    key: keyOf(pod),
    namespace,
    uid: identityOf(pod),
    labels,
    addresses: hasNoRights(pod) ? [] : told.flatMap(address => canonicalAddress(address) ?? []),
    ports: namedPorts(pod),
  };
}

/** On the host's network it is the node; at its end its address may be another's already. */
export function hasNoRights({ spec, status }: Pod): boolean {
  return spec?.hostNetwork === true || status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

/** Whether a file or a URL is where it comes from, not the API server. */
export function isStatic({ metadata }: Pod): boolean {
  const source = metadata.annotations?.['kubernetes.io/config.source'];
  return source !== undefined && source !== 'api';
}

/** What tells a pod from another of its name: of a static one its hash, which its mirror has too. */
export function identityOf({ metadata }: Pod): string {
  const { annotations, uid = '' } = metadata;
  return annotations?.['kubernetes.io/config.mirror'] ?? annotations?.['kubernetes.io/config.hash'] ?? uid;
}

/** Whether two say the same to policies. */
export function isSamePod(a: PolicyPod, b: PolicyPod): boolean {
  return (
    a.uid === b.uid &&
    a.addresses.join() === b.addresses.join() &&
    JSON.stringify(a.labels) === JSON.stringify(b.labels) &&
    JSON.stringify(a.ports) === JSON.stringify(b.ports)
  );
}

// Containers that run beside the main ones have ports as well.
function namedPorts({ spec }: Pod): readonly NamedPort[] {
  const sidecars = (spec?.initContainers ?? []).filter(container => container.restartPolicy === 'Always');
  const ports = [...(spec?.containers ?? []), ...sidecars].flatMap(container =>
    (container.ports ?? []).flatMap(({ name, protocol, containerPort }) =>
      name === undefined || name === '' || containerPort === undefined
        ? []
        : [{ name, protocol: (protocol ?? 'TCP') as Protocol, port: containerPort }],
    ),
  );
  return ports.length === 0 ? NO_PORTS : ports;
}
