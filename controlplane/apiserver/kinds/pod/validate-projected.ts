/**
 * Validation of files that come from ConfigMaps, Secrets, the downward API and projections of them.
 * Source: Kubernetes `pkg/apis/core/validation` (projected volumes), 1.36.
 */
import {
  duplicateError,
  invalidError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import type { FieldPath } from '../../../../machinery/meta/field-path.ts';
import type {
  DownwardAPIVolumeFile,
  KeyToPath,
  ProjectedVolumeSource,
  ServiceAccountTokenProjection,
  VolumeProjection,
} from '../../../../proto/api/core-v1.ts';
import { checkOneOf, checkRequired, isBlank } from '../validation/checks.ts';
import { checkResourceFieldRef, checkVolumeFieldRef } from './validate-env.ts';
import { checkMode, checkNonReservedPath } from './validate-paths.ts';

const SOURCES = [
  'secret',
  'downwardAPI',
  'configMap',
  'serviceAccountToken',
  'clusterTrustBundle',
  'podCertificate',
] as const;
const MIN_TOKEN_SECONDS = 600;
const MAX_TOKEN_SECONDS = 2 ** 32;

/** `taken` collects the paths, so that several sources of one volume do not overwrite each other. */
export function checkKeysToPaths(
  errors: FieldError[],
  path: FieldPath,
  items: readonly KeyToPath[] | undefined,
  taken: Set<string>,
): void {
  for (const [i, item] of (items ?? []).entries()) {
    const at = path.index(i);
    checkRequired(errors, at.child('key'), item.key);
    checkFile(errors, at, item.path, item.mode, taken);
  }
}

export function checkDownwardApiFiles(
  errors: FieldError[],
  path: FieldPath,
  files: readonly DownwardAPIVolumeFile[] | undefined,
  taken: Set<string>,
): void {
  for (const [i, file] of (files ?? []).entries()) {
    const at = path.child('items').index(i);
    checkFile(errors, at, file.path, file.mode, taken);
    if (file.fieldRef !== undefined) {
      checkVolumeFieldRef(errors, at.child('fieldRef'), file.fieldRef);
      if (file.resourceFieldRef !== undefined) {
        errors.push(invalidError(at, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'));
      }
    } else if (file.resourceFieldRef !== undefined) {
      checkResourceFieldRef(errors, at.child('resourceFieldRef'), file.resourceFieldRef, true);
    } else errors.push(requiredError(at, 'one of fieldRef and resourceFieldRef is required'));
  }
}

export function checkProjected(errors: FieldError[], path: FieldPath, projected: ProjectedVolumeSource): void {
  checkMode(errors, path.child('defaultMode'), projected.defaultMode);
  const taken = new Set<string>();
  for (const [i, source] of (projected.sources ?? []).entries()) {
    checkProjection(errors, path.child('sources').index(i), source, taken);
  }
}

function checkProjection(errors: FieldError[], path: FieldPath, source: VolumeProjection, taken: Set<string>): void {
  const kind = checkOneOf(errors, path, source, SOURCES, 'volume type') as (typeof SOURCES)[number] | undefined;
  const at = kind === undefined ? path : path.child(kind);
  switch (kind) {
    case undefined:
      errors.push(requiredError(path, 'must specify a volume type'));
      return;
    case 'secret':
    case 'configMap':
      checkRequired(errors, at.child('name'), source[kind]?.name);
      checkKeysToPaths(errors, at.child('items'), source[kind]?.items, taken);
      return;
    case 'downwardAPI':
      checkDownwardApiFiles(errors, at, source.downwardAPI?.items, taken);
      return;
    case 'serviceAccountToken':
      if (source.serviceAccountToken !== undefined) checkToken(errors, at, source.serviceAccountToken, taken);
      return;
    case 'clusterTrustBundle': {
      const bundle = source.clusterTrustBundle;
      if (isBlank(bundle?.name) && isBlank(bundle?.signerName)) {
        errors.push(requiredError(at, 'either name or signerName must be specified'));
      } else if (!isBlank(bundle?.name) && !isBlank(bundle?.signerName)) {
        errors.push(invalidError(at, bundle, 'only one of name and signerName may be used'));
      }
      checkFile(errors, at, bundle?.path, undefined, taken);
      return;
    }
    case 'podCertificate':
      checkRequired(errors, at.child('signerName'), source.podCertificate?.signerName);
      checkRequired(errors, at.child('keyType'), source.podCertificate?.keyType);
  }
}

function checkToken(
  errors: FieldError[],
  path: FieldPath,
  token: ServiceAccountTokenProjection,
  taken: Set<string>,
): void {
  const seconds = token.expirationSeconds ?? 0;
  const at = path.child('expirationSeconds');
  if (seconds < MIN_TOKEN_SECONDS)
    errors.push(invalidError(at, seconds, 'may not specify a duration less than 10 minutes'));
  if (seconds > MAX_TOKEN_SECONDS)
    errors.push(invalidError(at, seconds, 'may not specify a duration larger than 2^32 seconds'));
  checkFile(errors, path, token.path, undefined, taken);
}

function checkFile(
  errors: FieldError[],
  path: FieldPath,
  file: string | undefined,
  mode: number | undefined,
  taken: Set<string>,
): void {
  checkMode(errors, path.child('mode'), mode);
  if (isBlank(file)) {
    errors.push(requiredError(path.child('path')));
    return;
  }
  checkNonReservedPath(errors, path.child('path'), file);
  if (taken.has(file)) errors.push(duplicateError(path.child('path'), file));
  taken.add(file);
}
