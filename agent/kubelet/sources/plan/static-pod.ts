/**
 * A static pod from what a file or a URL says: defaulted and checked as the API server would, named after its node.
 * Source: kubernetes 1.36 `pkg/kubelet/config/common.go`: names, UIDs, annotations, tolerations.
 */
import { createHash } from 'node:crypto';
import { checkObject, DecodeError } from '../../../../machinery/meta/decode.ts';
import { aggregateText } from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { canonicalJson, deepCopy, isJsonObject, type JsonValue } from '../../../../machinery/meta/json-value.ts';
import { dns1123Subdomain } from '../../../../machinery/meta/names.ts';
import { validateObjectMeta } from '../../../../machinery/meta/object-meta-validation.ts';
import { schemaOf } from '../../../../machinery/meta/schema-table.ts';
import { defaultPodOnly, defaultPodSpec } from '../../../../machinery/pods/default-pod-spec.ts';
import { checkPod, validateNewPod } from '../../../../machinery/pods/validate-pod.ts';
import type { Pod, Toleration } from '../../../../proto/api/core-v1.ts';
import { apiReference } from './api-references.ts';

/** Hash of what the pod was made from: its UID. */
export const CONFIG_HASH = 'kubernetes.io/config.hash';
/** `api`, `file` or `http`. */
export const CONFIG_SOURCE = 'kubernetes.io/config.source';
/** When it was first read. */
export const CONFIG_SEEN = 'kubernetes.io/config.seen';
/** On a mirror pod: the hash of the static pod that it stands for. */
export const CONFIG_MIRROR = 'kubernetes.io/config.mirror';

/** Where a static pod comes from. */
export interface StaticSource {
  readonly kind: 'file' | 'http';
  /** Absolute path, or URL. */
  readonly location: string;
  readonly nodeName: string;
}

/** The text says no pod that could run. The message names no file: the caller does. */
export class StaticPodError extends Error {
  override readonly name = 'StaticPodError';
}

/** A pod, and the fields of the text that no pod has. */
export interface StaticPod {
  readonly pod: Pod;
  readonly unknownFields: readonly string[];
}

/** Static pods outlast what ails the node. */
const TOLERATES_ALL: Toleration = { operator: 'Exists', effect: 'NoExecute' };

const POD = schemaOf('api/core/v1', 'Pod');
const METADATA = FieldPath.of('metadata');

/**
 * @param value what the text says, untyped
 * @param seenAt RFC 3339
 * @throws StaticPodError with all that is wrong
 */
export function staticPod(value: unknown, source: StaticSource, seenAt: string): StaticPod {
  const { pod, unknownFields } = decode(value);
  const { name = '' } = pod.metadata;
  if (name === '') throw new StaticPodError('invalid pod: name is needed for the pod');
  const uid = pod.metadata.uid ?? hashOf(pod, source);
  const { creationTimestamp: _, resourceVersion: __, generation: ___, ...metadata } = pod.metadata;
  pod.metadata = {
    ...metadata,
    name: `${name}-${source.nodeName.toLowerCase()}`,
    namespace: pod.metadata.namespace ?? 'default',
    uid,
    annotations: {
      ...pod.metadata.annotations,
      [CONFIG_HASH]: uid,
      [CONFIG_SEEN]: seenAt,
      [CONFIG_SOURCE]: source.kind,
    },
  };
  pod.spec.nodeName = source.nodeName;
  if (source.kind === 'file') pod.spec.tolerations = withToleration(pod.spec.tolerations ?? []);
  pod.status = { phase: 'Pending' };
  defaultPodSpec(pod.spec);
  defaultPodOnly(pod.spec);
  check(pod, unknownFields);
  return { pod, unknownFields };
}

function decode(value: unknown): { pod: Pod; unknownFields: readonly string[] } {
  const { apiVersion, kind } = isJsonObject(value) ? value : {};
  if (apiVersion !== 'v1' || kind !== 'Pod') {
    const found = `found apiVersion ${JSON.stringify(apiVersion) ?? 'none'}, kind ${JSON.stringify(kind) ?? 'none'}`;
    throw new StaticPodError(`couldn't parse as pod: want apiVersion: v1 and kind: Pod; ${found}`);
  }
  try {
    const { value: decoded, unknownFields } = checkObject(POD, value);
    const pod = deepCopy(decoded as JsonValue) as unknown as Pod;
    pod.metadata ??= {};
    pod.spec ??= { containers: [] };
    pod.spec.containers ??= [];
    return { pod, unknownFields };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new StaticPodError(`couldn't parse as pod: ${error.message}`, { cause: error });
  }
}

function check(pod: Pod, unknownFields: readonly string[]): void {
  const errors = [...validateObjectMeta(pod.metadata, true, dns1123Subdomain, METADATA), ...validateNewPod(pod)];
  checkPod(errors, pod);
  if (errors.length > 0) {
    // What is missing may be there by a name that was mistyped.
    const unknown = unknownFields.map(field => `; unknown field ${field}`).join('');
    throw new StaticPodError(`invalid pod: ${aggregateText(errors)}${unknown}`);
  }
  const reference = apiReference(pod.spec);
  if (reference !== undefined) throw new StaticPodError(`static pods may not reference ${reference}`);
}

/** Differs: another hash than upstream's; it is opaque, of the same length, and the same as long as the text means the same. */
function hashOf(pod: Pod, { kind, location, nodeName }: StaticSource): string {
  const where = kind === 'file' ? `host:${nodeName}file:${location}` : `url:${location}`;
  return createHash('sha256')
    .update(canonicalJson(pod as unknown as JsonValue))
    .update(where)
    .digest('hex')
    .slice(0, 32);
}

function withToleration(tolerations: readonly Toleration[]): Toleration[] {
  const has = tolerations.some(t => t.operator === 'Exists' && t.effect === 'NoExecute' && (t.key ?? '') === '');
  return has ? [...tolerations] : [...tolerations, TOLERATES_ALL];
}
