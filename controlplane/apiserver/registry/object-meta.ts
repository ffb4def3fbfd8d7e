/**
 * The registry's part of metadata: what the server sets at creation and keeps at update.
 * Source: apiserver `pkg/registry/rest/{create,update,meta}.go`.
 */
import { randomUUID } from 'node:crypto';
import type { AnyObject } from '../../../machinery/client/resource.ts';
import { jsonEquals } from '../../../machinery/meta/json-value.ts';
import { randomSuffix } from '../../../machinery/meta/name-hash.ts';
import { badRequest, conflict } from '../../../machinery/meta/status-error.ts';
import type { ObjectMeta } from '../../../proto/api/meta-v1.ts';
import { groupResource, type ServedResource } from './served-resource.ts';

const MAX_NAME = 63;
const SUFFIX = 5;

/** RFC 3339 in whole seconds, as metav1.Time is written. */
export function timestamp(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** `base` cut so that base and suffix fit a DNS label. */
export function generateName(base: string): string {
  return `${base.slice(0, MAX_NAME - SUFFIX)}${randomSuffix(SUFFIX)}`;
}

/** Checks that body and path name the same place, and fills the body in. */
export function settleNamespace(resource: ServedResource, object: AnyObject, namespace: string): void {
  const meta = object.metadata;
  if (!resource.info.namespaced) {
    if (meta.namespace === '') delete meta.namespace;
    return;
  }
  if (meta.namespace === undefined || meta.namespace === '') meta.namespace = namespace;
  else if (meta.namespace !== namespace)
    throw badRequest('the namespace of the provided object does not match the namespace sent on the request');
}

/** Sets what only the server may set on a new object. The name may still be a generateName. */
export function fillForCreate(object: AnyObject, nowMs: number, tracksGeneration: boolean): void {
  const meta = object.metadata;
  if (meta.resourceVersion !== undefined && meta.resourceVersion !== '')
    throw badRequest('resourceVersion should not be set on objects to be created');
  if ((meta.name === undefined || meta.name === '') && meta.generateName) meta.name = generateName(meta.generateName);
  delete meta.resourceVersion;
  delete meta.deletionTimestamp;
  delete meta.deletionGracePeriodSeconds;
  delete meta.selfLink;
  meta.uid = randomUUID();
  meta.creationTimestamp = timestamp(nowMs);
  if (tracksGeneration) meta.generation = 1;
  else delete meta.generation;
}

/** Carries over what an update may not change, and refuses an update of another object or an older state. */
export function fillForUpdate(resource: ServedResource, object: AnyObject, older: AnyObject): void {
  const meta = object.metadata;
  const was = older.metadata;
  const { info } = resource;
  const name = was.name ?? '';
  if (meta.uid !== undefined && meta.uid !== '' && meta.uid !== was.uid) {
    throw conflict(
      groupResource(info),
      name,
      `Precondition failed: UID in precondition: ${meta.uid}, UID in object meta: ${was.uid ?? ''}`,
    );
  }
  if (
    meta.resourceVersion !== undefined &&
    meta.resourceVersion !== '' &&
    meta.resourceVersion !== '0' &&
    meta.resourceVersion !== was.resourceVersion
  ) {
    throw conflict(groupResource(info), name);
  }
  meta.name = name;
  copyField(meta, was, 'namespace');
  copyField(meta, was, 'uid');
  copyField(meta, was, 'creationTimestamp');
  copyField(meta, was, 'deletionTimestamp');
  copyField(meta, was, 'deletionGracePeriodSeconds');
  copyField(meta, was, 'generateName');
  copyField(meta, was, 'generation');
  copyField(meta, was, 'resourceVersion');
  delete meta.selfLink;
}

function copyField<K extends keyof ObjectMeta>(to: ObjectMeta, from: ObjectMeta, key: K): void {
  if (from[key] === undefined) delete to[key];
  else to[key] = from[key];
}

/** Raises metadata.generation when anything outside metadata and status changed. */
export function bumpGeneration(object: AnyObject, older: AnyObject): void {
  const next = object as unknown as Record<string, unknown>;
  const was = older as unknown as Record<string, unknown>;
  for (const key of new Set([...Object.keys(next), ...Object.keys(was)])) {
    if (key === 'metadata' || key === 'status' || key === 'apiVersion' || key === 'kind') continue;
    if (jsonEquals(next[key], was[key])) continue;
    object.metadata.generation = (older.metadata.generation ?? 0) + 1;
    return;
  }
}
