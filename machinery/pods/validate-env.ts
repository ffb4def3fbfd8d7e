/**
 * Validation of a container's environment. Source: Kubernetes `pkg/apis/core/validation`, 1.36.
 */
import { invalidError, notFoundError, notSupportedError, requiredError, type FieldError } from '../meta/field-error.ts';
import type { FieldPath } from '../meta/field-path.ts';
import { dns1123Label, dns1123Subdomain, qualifiedName } from '../meta/names.ts';
import { configMapKey, envVarName } from '../meta/value-shapes.ts';
import type {
  EnvFromSource,
  EnvVar,
  EnvVarSource,
  FileKeySelector,
  ObjectFieldSelector,
  ResourceFieldSelector,
} from '../../proto/api/core-v1.ts';
import { checkRequired, checkShape, isBlank } from '../validation/checks.ts';
import { tryParseQuantity } from '../meta/quantity.ts';
import { checkNonReservedPath } from './validate-paths.ts';
import type { Volumes } from './validate-volume-mounts.ts';

const ENV_FIELDS = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];
const VOLUME_FIELDS = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];
/** Every field label that pods convert, whether or not it may stand here. */
const POD_FIELDS = new Set([
  ...ENV_FIELDS,
  ...VOLUME_FIELDS,
  'spec.restartPolicy',
  'spec.schedulerName',
  'status.phase',
]);
const CONTAINER_RESOURCES = [
  'limits.cpu',
  'limits.ephemeral-storage',
  'limits.memory',
  'requests.cpu',
  'requests.ephemeral-storage',
  'requests.memory',
];
const CPU_DIVISORS = ['1m', '1'];
const BYTE_DIVISORS = ['1', '1k', '1M', '1G', '1T', '1P', '1E', '1Ki', '1Mi', '1Gi', '1Ti', '1Pi', '1Ei'];
/** What upstream calls each resource that can be divided. */
const DIVIDED: Readonly<Record<string, string>> = {
  cpu: 'cpu',
  memory: 'memory',
  'ephemeral-storage': 'local ephemeral storage',
  hugepages: 'hugepages',
};
const ENV_SOURCES = ['fieldRef', 'resourceFieldRef', 'configMapKeyRef', 'secretKeyRef', 'fileKeyRef'] as const;

export function checkEnv(
  errors: FieldError[],
  path: FieldPath,
  variables: readonly EnvVar[] | undefined,
  volumes: Volumes,
): void {
  for (const [i, variable] of (variables ?? []).entries()) {
    const at = path.index(i);
    checkRequired(errors, at.child('name'), variable.name, envVarName);
    if (variable.valueFrom !== undefined)
      checkSource(errors, at.child('valueFrom'), variable, variable.valueFrom, volumes);
  }
}

export function checkEnvFrom(
  errors: FieldError[],
  path: FieldPath,
  sources: readonly EnvFromSource[] | undefined,
): void {
  for (const [i, source] of (sources ?? []).entries()) {
    const at = path.index(i);
    if (!isBlank(source.prefix)) checkShape(errors, at.child('prefix'), source.prefix, envVarName);
    const both = source.configMapRef !== undefined && source.secretRef !== undefined;
    if (source.configMapRef !== undefined) {
      checkRequired(errors, at.child('configMapRef', 'name'), source.configMapRef.name, dns1123Subdomain);
    }
    if (source.secretRef !== undefined) {
      checkRequired(errors, at.child('secretRef', 'name'), source.secretRef.name, dns1123Subdomain);
    }
    // The path is the list's, as upstream has it.
    if (both) errors.push(invalidError(path, '', 'may not have more than one field specified at a time'));
    else if (source.configMapRef === undefined && source.secretRef === undefined) {
      errors.push(invalidError(path, '', 'must specify one of: `configMapRef` or `secretRef`'));
    }
  }
}

function checkSource(
  errors: FieldError[],
  path: FieldPath,
  variable: EnvVar,
  source: EnvVarSource,
  volumes: Volumes,
): void {
  const count = ENV_SOURCES.filter(name => source[name] !== undefined).length;
  if (source.fieldRef !== undefined) checkFieldRef(errors, path.child('fieldRef'), source.fieldRef, ENV_FIELDS);
  if (source.resourceFieldRef !== undefined) {
    checkResourceFieldRef(errors, path.child('resourceFieldRef'), source.resourceFieldRef, false);
  }
  if (source.configMapKeyRef !== undefined) checkKeyRef(errors, path.child('configMapKeyRef'), source.configMapKeyRef);
  if (source.secretKeyRef !== undefined) checkKeyRef(errors, path.child('secretKeyRef'), source.secretKeyRef);
  if (source.fileKeyRef !== undefined) {
    checkFileKeyRef(errors, path.child('fileKeyRef'), source.fileKeyRef, volumes);
  }
  if (count === 0) {
    const why =
      'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`';
    errors.push(invalidError(path, '', why));
  } else if (!isBlank(variable.value)) {
    errors.push(invalidError(path, '', 'may not be specified when `value` is not empty'));
  } else if (count > 1) {
    errors.push(invalidError(path, '', 'may not have more than one field specified at a time'));
  }
}

/** A key of a ConfigMap or Secret. */
function checkKeyRef(errors: FieldError[], path: FieldPath, ref: { name?: string | undefined; key: string }): void {
  checkShape(errors, path.child('name'), ref.name ?? '', dns1123Subdomain);
  checkRequired(errors, path.child('key'), ref.key, configMapKey);
}

/** A variable in a file that the pod itself writes. */
function checkFileKeyRef(errors: FieldError[], path: FieldPath, ref: FileKeySelector, volumes: Volumes): void {
  checkRequired(errors, path.child('key'), ref.key, envVarName);
  if (isBlank(ref.volumeName)) errors.push(requiredError(path.child('volumeName')));
  else {
    checkShape(errors, path.child('volumeName'), ref.volumeName, dns1123Label);
    const volume = volumes.get(ref.volumeName);
    if (volume === undefined) errors.push(notFoundError(path.child('volumeName'), ref.volumeName));
    else if (volume.emptyDir === undefined) {
      const why = 'referenced volume must be of type emptyDir';
      errors.push(invalidError(path.child('volumeName'), ref.volumeName, why));
    }
  }
  if (isBlank(ref.path)) errors.push(requiredError(path.child('path')));
  else checkNonReservedPath(errors, path.child('path'), ref.path);
}

/** A reference to a field of the pod, in the environment or in a downwardAPI volume. */
export function checkFieldRef(
  errors: FieldError[],
  path: FieldPath,
  ref: ObjectFieldSelector,
  supported: readonly string[],
): void {
  if (isBlank(ref.apiVersion)) {
    errors.push(requiredError(path.child('apiVersion')));
    return;
  }
  if (isBlank(ref.fieldPath)) {
    errors.push(requiredError(path.child('fieldPath')));
    return;
  }
  const subscript = /^(metadata\.(?:annotations|labels))\['([^']*)'\]$/.exec(ref.fieldPath);
  if (subscript !== null) {
    const key = subscript[2] ?? '';
    const annotation = subscript[1] === 'metadata.annotations';
    checkShape(errors, path, annotation ? key.toLowerCase() : key, qualifiedName);
    return;
  }
  if (!POD_FIELDS.has(ref.fieldPath)) {
    const why = `error converting fieldPath: field label not supported: ${ref.fieldPath}`;
    errors.push(invalidError(path.child('fieldPath'), ref.fieldPath, why));
  } else if (!supported.includes(ref.fieldPath)) {
    errors.push(notSupportedError(path.child('fieldPath'), ref.fieldPath, supported));
  }
}

/** A downwardAPI volume's field. */
export function checkVolumeFieldRef(errors: FieldError[], path: FieldPath, ref: ObjectFieldSelector): void {
  checkFieldRef(errors, path, ref, VOLUME_FIELDS);
}

/** A reference to a container's requests or limits; volumes must name the container. */
export function checkResourceFieldRef(
  errors: FieldError[],
  path: FieldPath,
  ref: ResourceFieldSelector,
  volume: boolean,
): void {
  if (volume && isBlank(ref.containerName)) errors.push(requiredError(path.child('containerName')));
  else if (isBlank(ref.resource)) errors.push(requiredError(path.child('resource')));
  else if (!CONTAINER_RESOURCES.includes(ref.resource) && !/^(limits|requests)\.hugepages-/.test(ref.resource)) {
    errors.push(notSupportedError(path.child('resource'), ref.resource, CONTAINER_RESOURCES));
  }
  checkDivisor(errors, path.child('divisor'), ref);
}

function checkDivisor(errors: FieldError[], path: FieldPath, ref: ResourceFieldSelector): void {
  const divisor = tryParseQuantity(String(ref.divisor ?? '0'));
  if (divisor === undefined || divisor.isZero()) return;
  const resource = ref.resource ?? '';
  const what = DIVIDED[resource.replace(/^(limits|requests)\./, '').replace(/^hugepages-.*$/, 'hugepages')];
  if (what === undefined || !/^(limits|requests)\./.test(resource)) return;
  const allowed = what === 'cpu' ? CPU_DIVISORS : BYTE_DIVISORS;
  if (allowed.includes(divisor.toString())) return;
  const listed = what === 'cpu' ? allowed.join(' and ') : allowed.join(', ');
  // The value told is the resource's name, as upstream has it.
  errors.push(invalidError(path, resource, `only divisor's values ${listed} are supported with the ${what} resource`));
}
