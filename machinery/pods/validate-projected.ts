/**
 * Validation of files that come from ConfigMaps, Secrets, the downward API and projections of them.
 * Source: Kubernetes `pkg/apis/core/validation` (projected volumes), 1.36.
 */
import {
  forbiddenError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { validateLabelSelector } from '../meta/label-selector.ts';
import { dns1123Subdomain } from '../meta/names.ts';
import { domainPrefixedPath } from '../meta/value-shapes.ts';
import type {
  ClusterTrustBundleProjection,
  DownwardAPIVolumeFile,
  KeyToPath,
  PodCertificateProjection,
  ProjectedVolumeSource,
  VolumeProjection,
} from '../../proto/api/core-v1.ts';
import { checkRequired, checkShape, isBlank } from '../validation/checks.ts';
import { checkResourceFieldRef, checkVolumeFieldRef } from './validate-env.ts';
import { checkMode, checkNonReservedPath } from './validate-paths.ts';

const SOURCES = [
  'secret',
  'configMap',
  'downwardAPI',
  'serviceAccountToken',
  'clusterTrustBundle',
  'podCertificate',
] as const;
const MIN_TOKEN_SECONDS = 600;
const MAX_TOKEN_SECONDS = 2 ** 32;
const KEY_TYPES = ['ECDSAP256', 'ECDSAP384', 'ECDSAP521', 'ED25519', 'RSA3072', 'RSA4096'];
const MIN_CERTIFICATE_SECONDS = 3600;
const MAX_CERTIFICATE_SECONDS = 91 * 24 * 3600;

export function checkKeysToPaths(errors: FieldError[], path: FieldPath, items: readonly KeyToPath[] | undefined): void {
  for (const [i, item] of (items ?? []).entries()) {
    const at = path.index(i);
    checkRequired(errors, at.child('key'), item.key);
    checkFile(errors, at.child('path'), item.path);
    checkMode(errors, at.child('mode'), item.mode);
  }
}

/** The paths lack the index of the file, as upstream's do. */
export function checkDownwardApiFiles(
  errors: FieldError[],
  path: FieldPath,
  files: readonly DownwardAPIVolumeFile[] | undefined,
): void {
  for (const file of files ?? []) {
    checkFile(errors, path.child('path'), file.path);
    if (file.fieldRef !== undefined) {
      checkVolumeFieldRef(errors, path.child('fieldRef'), file.fieldRef);
      if (file.resourceFieldRef !== undefined)
        errors.push(
          invalidError(path, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'),
        );
    } else if (file.resourceFieldRef !== undefined) {
      checkResourceFieldRef(errors, path.child('resourceFieldRef'), file.resourceFieldRef, true);
    } else errors.push(requiredError(path, 'one of fieldRef and resourceFieldRef is required'));
    checkMode(errors, path.child('mode'), file.mode);
  }
}

export function checkProjected(errors: FieldError[], path: FieldPath, projected: ProjectedVolumeSource): void {
  checkMode(errors, path.child('defaultMode'), projected.defaultMode);
  const taken = new Set<string>();
  const take = (file: string | undefined, who: string | undefined): void => {
    if (isBlank(file)) return;
    if (taken.has(file)) errors.push(invalidError(path, who ?? '', 'conflicting duplicate paths'));
    taken.add(file);
  };
  for (const [i, source] of (projected.sources ?? []).entries()) {
    const at = path.child('sources').index(i);
    checkProjection(errors, path, at, source, take);
    if (SOURCES.filter(name => source[name] !== undefined).length > 1)
      errors.push(forbiddenError(at, 'may not specify more than 1 volume type per source'));
  }
}

type Take = (file: string | undefined, who: string | undefined) => void;

function checkProjection(
  errors: FieldError[],
  volume: FieldPath,
  path: FieldPath,
  source: VolumeProjection,
  take: Take,
): void {
  for (const kind of ['secret', 'configMap'] as const) {
    const from = source[kind];
    if (from === undefined) continue;
    checkRequired(errors, path.child(kind, 'name'), from.name);
    checkKeysToPaths(errors, path.child(kind, 'items'), from.items);
    for (const item of from.items ?? []) take(item.path, from.name);
  }
  if (source.downwardAPI !== undefined) {
    checkDownwardApiFiles(errors, path.child('downwardAPI'), source.downwardAPI.items);
    for (const file of source.downwardAPI.items ?? []) take(file.path, file.path);
  }
  if (source.serviceAccountToken !== undefined) {
    const seconds = source.serviceAccountToken.expirationSeconds ?? 0;
    const at = path.child('serviceAccountToken', 'expirationSeconds');
    if (seconds < MIN_TOKEN_SECONDS)
      errors.push(invalidError(at, seconds, 'may not specify a duration less than 10 minutes'));
    if (seconds > MAX_TOKEN_SECONDS)
      errors.push(invalidError(at, seconds, 'may not specify a duration larger than 2^32 seconds'));
    checkFile(errors, volume.child('path'), source.serviceAccountToken.path);
  }
  if (source.clusterTrustBundle !== undefined) {
    checkTrustBundle(errors, path.child('clusterTrustBundle'), source.clusterTrustBundle);
    take(source.clusterTrustBundle.path, source.clusterTrustBundle.path);
  }
  if (source.podCertificate !== undefined) {
    const { podCertificate } = source;
    checkCertificate(errors, path.child('podCertificate'), podCertificate);
    for (const field of CERTIFICATE_PATHS) take(podCertificate[field], podCertificate[field]);
  }
}

function checkTrustBundle(errors: FieldError[], path: FieldPath, bundle: ClusterTrustBundleProjection): void {
  const { name, signerName, labelSelector } = bundle;
  if (name !== undefined && signerName !== undefined)
    errors.push(invalidError(path, bundle, 'only one of name and signerName may be used'));
  else if (name !== undefined) {
    if (name === '') errors.push(requiredError(path.child('name'), 'must be a valid object name'));
    // The names of bundles with a signer begin with the signer's, its slash a colon.
    const own = name.slice(name.lastIndexOf(':') + 1);
    for (const problem of dns1123Subdomain(own))
      errors.push(invalidError(path.child('name'), name, `not a valid clustertrustbundlename: ${problem}`));
    if (labelSelector !== undefined) {
      const why = 'labelSelector must be unset if name is specified';
      errors.push(invalidError(path.child('labelSelector'), labelSelector, why));
    }
  } else if (signerName !== undefined) {
    if (signerName === '') errors.push(requiredError(path.child('signerName'), 'must be a valid signer name'));
    checkShape(errors, path.child('signerName'), signerName, domainPrefixedPath);
    errors.push(...validateLabelSelector(labelSelector, path.child('labelSelector')));
  } else errors.push(requiredError(path, 'either name or signerName must be specified'));
  checkFile(errors, path.child('path'), bundle.path);
}

const CERTIFICATE_PATHS = ['credentialBundlePath', 'keyPath', 'certificateChainPath'] as const;

function checkCertificate(errors: FieldError[], path: FieldPath, projection: PodCertificateProjection): void {
  const { signerName, keyType = '', maxExpirationSeconds: seconds } = projection;
  checkRequired(errors, path.child('signerName'), signerName, domainPrefixedPath);
  if (!KEY_TYPES.includes(keyType)) errors.push(notSupportedError(path.child('keyType'), keyType, KEY_TYPES));
  if (seconds !== undefined) {
    const at = path.child('maxExpirationSeconds');
    if (seconds < MIN_CERTIFICATE_SECONDS)
      errors.push(invalidError(at, seconds, `if provided, maxExpirationSeconds must be >= ${MIN_CERTIFICATE_SECONDS}`));
    if (seconds > MAX_CERTIFICATE_SECONDS)
      errors.push(invalidError(at, seconds, `if provided, maxExpirationSeconds must be <= ${MAX_CERTIFICATE_SECONDS}`));
  }
  const given = CERTIFICATE_PATHS.filter(field => !isBlank(projection[field]));
  if (given.length === 0) {
    const why = 'specify at least one of credentialBundlePath, keyPath, and certificateChainPath';
    errors.push(requiredError(path, why));
  }
  for (const field of given) checkNonReservedPath(errors, path.child(field), projection[field] ?? '');
}

function checkFile(errors: FieldError[], path: FieldPath, file: string | undefined): void {
  if (isBlank(file)) errors.push(requiredError(path));
  else checkNonReservedPath(errors, path, file);
}
