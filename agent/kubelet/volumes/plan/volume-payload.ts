/**
 * What files a configMap, secret, downwardAPI or projected volume holds. Pure: objects and tokens come in, paths with bytes come out.
 * Source: kubernetes.io/docs, "Volumes" and "Projected Volumes".
 */
import type { ConfigMap, DownwardAPIVolumeFile, KeyToPath, Pod, Secret } from '../../../../proto/api/core-v1.ts';
import { fieldValue, resourceFieldValue, type FieldContext } from '../../plan/field-ref.ts';
import type { ResourceAmounts } from '../../../../machinery/meta/pod-resources.ts';

export interface PayloadFile {
  readonly data: Buffer;
  /** Permission bits, e.g. 0o644. */
  readonly mode: number;
  /** Who owns it; default root. */
  readonly userId?: number;
}

/** Files by path relative to the volume, `/` between folders, never leading out of it. */
export type Payload = ReadonlyMap<string, PayloadFile>;

/** The payload cannot be made: an object or a key is missing. The message is for the pod's event. */
export class PayloadError extends Error {
  override readonly name = 'PayloadError';
}

/** How keys become files, the same for configMap and secret, as volume or projection. */
export interface KeySelection {
  readonly items?: readonly KeyToPath[] | undefined;
  readonly defaultMode: number;
  readonly optional: boolean;
}

export function configMapPayload(name: string, object: ConfigMap | undefined, selection: KeySelection): Payload {
  if (object === undefined) return missing(`configmap "${name}" not found`, selection.optional);
  const values = new Map<string, Buffer>();
  for (const [key, text] of Object.entries(object.data ?? {})) values.set(key, Buffer.from(text, 'utf8'));
  for (const [key, base64] of Object.entries(object.binaryData ?? {})) values.set(key, Buffer.from(base64, 'base64'));
  return select(values, selection, `configmap "${name}"`);
}

export function secretPayload(name: string, object: Secret | undefined, selection: KeySelection): Payload {
  if (object === undefined) return missing(`secret "${name}" not found`, selection.optional);
  const values = new Map(
    Object.entries(object.data ?? {}).map(([key, base64]) => [key, Buffer.from(base64, 'base64')]),
  );
  return select(values, selection, `secret "${name}"`);
}

export function downwardPayload(
  pod: Pod,
  items: readonly DownwardAPIVolumeFile[],
  defaultMode: number,
  context: FieldContext,
  allocatable: ResourceAmounts,
): Payload {
  const payload = new Map<string, PayloadFile>();
  for (const item of items)
    payload.set(item.path, {
      data: Buffer.from(downwardValue(pod, item, context, allocatable)),
      mode: item.mode ?? defaultMode,
    });
  return payload;
}

/** One payload over another; a path that both have is the later one's. */
export function mergePayloads(parts: readonly Payload[]): Payload {
  return new Map(parts.flatMap(part => [...part]));
}

export function samePayload(a: Payload, b: Payload): boolean {
  if (a.size !== b.size) return false;
  for (const [path, file] of a) {
    const other = b.get(path);
    if (other === undefined || other.mode !== file.mode || !other.data.equals(file.data)) return false;
    if ((other.userId ?? 0) !== (file.userId ?? 0)) return false;
  }
  return true;
}

function downwardValue(
  pod: Pod,
  item: DownwardAPIVolumeFile,
  context: FieldContext,
  allocatable: ResourceAmounts,
): string {
  if (item.fieldRef !== undefined) {
    const value = fieldValue(pod, item.fieldRef.fieldPath, context);
    if (value === undefined) throw new PayloadError(`unsupported fieldPath: ${item.fieldRef.fieldPath}`);
    return value;
  }
  const ref = item.resourceFieldRef;
  if (ref === undefined) return '';
  const containers = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  const container = containers.find(c => c.name === ref.containerName);
  if (container === undefined) throw new PayloadError(`container ${ref.containerName ?? ''} not found`);
  const value = resourceFieldValue(container, ref, allocatable);
  if (value === undefined) throw new PayloadError(`unsupported container resource: ${ref.resource}`);
  return value;
}

function select(values: ReadonlyMap<string, Buffer>, selection: KeySelection, what: string): Payload {
  const payload = new Map<string, PayloadFile>();
  if (selection.items === undefined || selection.items.length === 0) {
    for (const [key, data] of values) payload.set(key, { data, mode: selection.defaultMode });
    return payload;
  }
  for (const { key, path, mode } of selection.items) {
    const data = values.get(key);
    if (data !== undefined) payload.set(path, { data, mode: mode ?? selection.defaultMode });
    else if (!selection.optional) throw new PayloadError(`${what} references non-existent key: ${key}`);
  }
  return payload;
}

function missing(message: string, optional: boolean): Payload {
  if (optional) return new Map();
  throw new PayloadError(message);
}
