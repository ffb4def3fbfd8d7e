/**
 * Validation of metadata, the same for every kind. Source: apimachinery `api/validation/objectmeta.go`, 1.36.
 */
import type { ObjectMeta, OwnerReference } from '../../proto/api/meta-v1.ts';
import {
  forbiddenError,
  invalidError,
  notSupportedError,
  requiredError,
  tooLongError,
  type FieldError,
} from './field-error.ts';
import type { FieldPath } from './field-path.ts';
import { goQuote } from './go-quote.ts';
import { jsonEquals } from './json-value.ts';
import { dns1123Label, labelValue, qualifiedName, type Problems } from './names.ts';

/** Checks a name of the kind; see names.ts. */
export type NameCheck = (name: string) => Problems;

/** All annotations of one object together, keys and values, in bytes. */
export const MAX_ANNOTATION_BYTES = 256 * 1024;

/** The message for a field that must stay as it is. */
export const IMMUTABLE = 'field is immutable';

/** Validates metadata of a new or changed object. */
export function validateObjectMeta(
  meta: ObjectMeta,
  namespaced: boolean,
  nameCheck: NameCheck,
  path: FieldPath,
): FieldError[] {
  const errors: FieldError[] = [];
  const { name = '', generateName = '', namespace = '' } = meta;
  // What is generated goes on behind a trailing dash, so the dash is no fault.
  if (generateName !== '')
    for (const p of nameCheck(maskDash(generateName)))
      errors.push(invalidError(path.child('generateName'), generateName, p));
  if (name === '') errors.push(requiredError(path.child('name'), 'name or generateName is required'));
  else for (const problem of nameCheck(name)) errors.push(invalidError(path.child('name'), name, problem));

  if (!namespaced) {
    if (namespace !== '') errors.push(forbiddenError(path.child('namespace'), 'not allowed on this type'));
  } else if (namespace === '') errors.push(requiredError(path.child('namespace')));
  else
    for (const problem of dns1123Label(namespace))
      errors.push(invalidError(path.child('namespace'), namespace, problem));

  const { generation = 0 } = meta;
  if (generation < 0)
    errors.push(invalidError(path.child('generation'), generation, 'must be greater than or equal to 0'));
  errors.push(...validateSharedMeta(meta, path));
  return errors;
}

/** Validates what an update may change in metadata. A uid or creation time that is left out counts as kept. */
export function validateObjectMetaUpdate(meta: ObjectMeta, old: ObjectMeta, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  const keep = (field: keyof ObjectMeta, required: boolean): void => {
    if (!required && meta[field] === undefined) return;
    errors.push(...validateImmutable(meta[field], old[field], path.child(field)));
  };
  keep('name', true);
  keep('namespace', true);
  keep('uid', false);
  keep('creationTimestamp', false);
  keep('deletionTimestamp', false);
  keep('deletionGracePeriodSeconds', false);
  if ((meta.resourceVersion ?? '') === '') {
    errors.push(invalidError(path.child('resourceVersion'), '', 'must be specified for an update'));
  }
  const { generation = 0 } = meta;
  if (meta.generation !== undefined && generation < (old.generation ?? 0)) {
    errors.push(invalidError(path.child('generation'), generation, 'must not be decremented'));
  }
  if (old.deletionTimestamp !== undefined) {
    const added = (meta.finalizers ?? []).filter(finalizer => old.finalizers?.includes(finalizer) !== true);
    const why = 'no new finalizers can be added if the object is being deleted, found new finalizers';
    if (added.length > 0)
      errors.push(forbiddenError(path.child('finalizers'), `${why} []string{${added.map(goQuote).join(', ')}}`));
  }
  errors.push(...validateSharedMeta(meta, path));
  return errors;
}

/** One error when `value` is not what it was. */
export function validateImmutable(value: unknown, old: unknown, path: FieldPath): FieldError[] {
  return jsonEquals(value ?? null, old ?? null) ? [] : [invalidError(path, value, IMMUTABLE)];
}

/** Keys are qualified names, values label values. */
export function validateLabels(labels: Readonly<Record<string, string>> | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  if (labels === undefined) return errors;
  for (const [key, value] of Object.entries(labels)) {
    for (const problem of qualifiedName(key)) errors.push(invalidError(path, key, problem));
    for (const problem of labelValue(value)) errors.push(invalidError(path, value, problem));
  }
  return errors;
}

/** Keys are qualified names in any case; together at most 256 KiB. */
export function validateAnnotations(
  annotations: Readonly<Record<string, string>> | undefined,
  path: FieldPath,
): FieldError[] {
  const errors: FieldError[] = [];
  if (annotations === undefined) return errors;
  let bytes = 0;
  for (const [key, value] of Object.entries(annotations)) {
    for (const problem of qualifiedName(key.toLowerCase())) errors.push(invalidError(path, key, problem));
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > MAX_ANNOTATION_BYTES) errors.push(tooLongError(path, MAX_ANNOTATION_BYTES));
  return errors;
}

/** Each is complete, none is an Event, one at most is the controller. */
export function validateOwnerReferences(owners: readonly OwnerReference[] | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  let controller: OwnerReference | undefined;
  for (const owner of owners ?? []) {
    if (!/^([^/]+\/)?[^/]+$/.test(owner.apiVersion ?? '')) {
      errors.push(invalidError(path.child('apiVersion'), owner.apiVersion ?? '', 'version must not be empty'));
    }
    for (const field of ['kind', 'name', 'uid'] as const) {
      if ((owner[field] ?? '') === '') errors.push(invalidError(path.child(field), '', 'must not be empty'));
    }
    if (owner.kind === 'Event' && (owner.apiVersion === 'v1' || owner.apiVersion === 'events.k8s.io/v1')) {
      errors.push(invalidError(path, owner, `${owner.apiVersion}, Kind=Event is disallowed from being an owner`));
    }
    if (owner.controller !== true) continue;
    if (controller !== undefined) {
      const who = `${controller.name} and ${owner.name}`;
      const why = `Only one reference can have Controller set to true. Found "true" in references for ${who}`;
      errors.push(invalidError(path, owners, why));
    } else controller = owner;
  }
  return errors;
}

/** Each is a qualified name; the two that decide about dependents exclude each other. */
export function validateFinalizers(finalizers: readonly string[] | undefined, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const finalizer of finalizers ?? []) {
    for (const problem of qualifiedName(finalizer)) errors.push(invalidError(path, finalizer, problem));
  }
  if (finalizers?.includes('orphan') === true && finalizers.includes('foregroundDeletion')) {
    errors.push(invalidError(path, finalizers, 'finalizer orphan and foregroundDeletion cannot be both set'));
  }
  return errors;
}

function validateSharedMeta(meta: ObjectMeta, path: FieldPath): FieldError[] {
  return [
    ...validateLabels(meta.labels, path.child('labels')),
    ...validateAnnotations(meta.annotations, path.child('annotations')),
    ...validateOwnerReferences(meta.ownerReferences, path.child('ownerReferences')),
    ...validateFinalizers(meta.finalizers, path.child('finalizers')),
    ...validateManagedFields(meta, path.child('managedFields')),
  ];
}

function validateManagedFields(meta: ObjectMeta, path: FieldPath): FieldError[] {
  const errors: FieldError[] = [];
  for (const [i, entry] of (meta.managedFields ?? []).entries()) {
    const at = path.index(i);
    if (entry.operation !== 'Apply' && entry.operation !== 'Update') {
      errors.push(notSupportedError(at.child('operation'), entry.operation ?? '', ['Apply', 'Update']));
    }
    if ((entry.fieldsType ?? '') !== 'FieldsV1' && (entry.fieldsType ?? '') !== '') {
      errors.push(invalidError(at.child('fieldsType'), entry.fieldsType, 'must be `FieldsV1`'));
    }
    errors.push(...validateFieldManager(entry.manager ?? '', at.child('manager')));
  }
  return errors;
}

/** At most 128 bytes, printable. */
export function validateFieldManager(manager: string, path: FieldPath): FieldError[] {
  if (Buffer.byteLength(manager) > 128) return [tooLongError(path, 128)];
  const at = manager.search(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/u);
  return at < 0
    ? []
    : [invalidError(path, manager, `invalid character ${goQuote(manager.charAt(at))} (at position ${at})`)];
}

function maskDash(prefix: string): string {
  return prefix.length > 1 && prefix.endsWith('-') ? `${prefix.slice(0, -2)}a` : prefix;
}
