/**
 * Gathers what a configMap, secret, downwardAPI or projected volume should hold now, and tells which objects to watch for changes.
 */
import { configMaps, secrets } from '../../../machinery/client/resource.ts';
import type { KeyToPath, Pod, Volume, VolumeProjection } from '../../../proto/api/core-v1.ts';
import type { PodObjects } from '../objects/pod-objects.ts';
import type { FieldContext } from '../plan/field-ref.ts';
import type { ResourceAmounts } from '../../../machinery/meta/pod-resources.ts';
import {
  configMapPayload,
  downwardPayload,
  mergePayloads,
  PayloadError,
  secretPayload,
  type KeySelection,
  type Payload,
} from './plan/volume-payload.ts';
import type { TokenSource } from './token-source.ts';

/** What payloads are made of. */
export interface PayloadSources {
  objects: PodObjects;
  tokens: TokenSource;
  fieldContext(pod: Pod): FieldContext;
  allocatable(): ResourceAmounts;
}

/** An object that a volume's content depends on. */
export interface SourceRef {
  kind: 'configMap' | 'secret';
  name: string;
}

export interface GatheredPayload {
  payload: Payload;
  /** Objects to watch; those that can never change are left out. */
  watch: readonly SourceRef[];
  /** When a token in it is due for renewal, milliseconds since the epoch. */
  renewAtMs: number | undefined;
  /** It shows fields of the pod, so a change of the pod may change it. */
  followsPod: boolean;
}

const DEFAULT_MODE = 0o644;

/** The parts of a volume in one shape, whether it is projected or not; undefined for a volume of another kind. */
function projectionsOf(volume: Volume): { parts: readonly VolumeProjection[]; defaultMode: number } | undefined {
  if (volume.projected !== undefined)
    return { parts: volume.projected.sources ?? [], defaultMode: volume.projected.defaultMode ?? DEFAULT_MODE };
  if (volume.configMap !== undefined)
    return { parts: [{ configMap: volume.configMap }], defaultMode: volume.configMap.defaultMode ?? DEFAULT_MODE };
  if (volume.downwardAPI !== undefined)
    return {
      parts: [{ downwardAPI: volume.downwardAPI }],
      defaultMode: volume.downwardAPI.defaultMode ?? DEFAULT_MODE,
    };
  if (volume.secret === undefined) return undefined;
  const { secretName, items, optional, defaultMode } = volume.secret;
  return { parts: [{ secret: { name: secretName ?? '', items, optional } }], defaultMode: defaultMode ?? DEFAULT_MODE };
}

export function isPayloadVolume(volume: Volume): boolean {
  return projectionsOf(volume) !== undefined;
}

/** Whether its files must never reach a disk. */
export function isSecretVolume(volume: Volume): boolean {
  return volume.secret !== undefined || volume.projected !== undefined;
}

/**
 * @throws PayloadError when an object or key is missing
 * @throws StatusError when the API refuses or is away
 */
export async function gatherPayload(
  pod: Pod,
  volume: Volume,
  sources: PayloadSources,
  signal: AbortSignal,
): Promise<GatheredPayload> {
  const { parts, defaultMode } = projectionsOf(volume) ?? { parts: [], defaultMode: DEFAULT_MODE };
  const gathered = await Promise.all(parts.map(part => gatherPart(pod, part, defaultMode, sources, signal)));
  const renewals = gathered.flatMap(g => (g.renewAtMs === undefined ? [] : [g.renewAtMs]));
  return {
    payload: mergePayloads(gathered.map(g => g.payload)),
    watch: gathered.flatMap(g => g.watch),
    renewAtMs: renewals.length === 0 ? undefined : Math.min(...renewals),
    followsPod: gathered.some(g => g.followsPod),
  };
}

async function gatherPart(
  pod: Pod,
  part: VolumeProjection,
  defaultMode: number,
  sources: PayloadSources,
  signal: AbortSignal,
): Promise<GatheredPayload> {
  const namespace = pod.metadata.namespace ?? '';
  const selection = (p: {
    items?: readonly KeyToPath[] | undefined;
    optional?: boolean | undefined;
  }): KeySelection => ({
    items: p.items,
    defaultMode,
    optional: p.optional === true,
  });
  const still = { watch: [], renewAtMs: undefined, followsPod: false };
  if (part.configMap !== undefined) {
    const name = part.configMap.name ?? '';
    const object = await sources.objects.get(configMaps, namespace, name, signal);
    const watch: SourceRef[] = object?.immutable === true ? [] : [{ kind: 'configMap', name }];
    return { ...still, payload: configMapPayload(name, object, selection(part.configMap)), watch };
  }
  if (part.secret !== undefined) {
    const name = part.secret.name ?? '';
    const object = await sources.objects.get(secrets, namespace, name, signal);
    const watch: SourceRef[] = object?.immutable === true ? [] : [{ kind: 'secret', name }];
    return { ...still, payload: secretPayload(name, object, selection(part.secret)), watch };
  }
  if (part.downwardAPI !== undefined) {
    const payload = downwardPayload(
      pod,
      part.downwardAPI.items ?? [],
      defaultMode,
      sources.fieldContext(pod),
      sources.allocatable(),
    );
    return { ...still, payload, followsPod: true };
  }
  if (part.serviceAccountToken !== undefined) {
    const { token, renewAtMs } = await sources.tokens.token(pod, part.serviceAccountToken, signal);
    const file = { data: Buffer.from(token), ...tokenOwnership(pod, defaultMode) };
    return { ...still, payload: new Map([[part.serviceAccountToken.path, file]]), renewAtMs };
  }
  const kind = Object.keys(part)[0] ?? 'none';
  const served = OF_THE_API[kind];
  throw new PayloadError(
    served === undefined
      ? `a projected source of kind ${kind} is not supported on this node`
      : `${kind} projections are not supported: this cluster does not serve ${served}`,
  );
}

/** Sources that need kinds of the API that are not served here. */
const OF_THE_API: Readonly<Record<string, string>> = {
  clusterTrustBundle: 'ClusterTrustBundles (certificates.k8s.io)',
  podCertificate: 'PodCertificateRequests (certificates.k8s.io)',
};

/**
 * A token is for its group alone where the pod has one, and for its user alone where all containers run as the same; else as the volume
 * says. Source: kubernetes `pkg/volume/projected/projected.go`, `util/util.go` FsUserFrom.
 */
function tokenOwnership(pod: Pod, defaultMode: number): { mode: number; userId?: number } {
  const { securityContext, containers, initContainers = [] } = pod.spec;
  const users = new Set(
    [...containers, ...initContainers].map(c => c.securityContext?.runAsUser ?? securityContext?.runAsUser),
  );
  const [user] = users;
  if (users.size === 1 && user !== undefined) return { mode: 0o600, userId: user };
  return { mode: securityContext?.fsGroup === undefined ? defaultMode : 0o600 };
}
