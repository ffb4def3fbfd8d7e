/**
 * Which programs know credentials for which images: `CredentialProviderConfig` of kubelet.config.k8s.io.
 * Source: kubernetes.io/docs, "Configure a kubelet image credential provider"; `pkg/credentialprovider/plugin/config.go` 1.36.
 */
import { parseDuration } from '../../../../machinery/meta/duration.ts';
import {
  aggregateText,
  duplicateError,
  forbiddenError,
  invalidError,
  notSupportedError,
  requiredError,
  type FieldError,
} from '../../../../machinery/meta/field-error.ts';
import { FieldPath } from '../../../../machinery/meta/field-path.ts';
import { qualifiedName } from '../../../../machinery/meta/names.ts';

/** One program. */
export interface CredentialProvider {
  /** The program's file name. */
  readonly name: string;
  readonly matchImages: readonly string[];
  readonly defaultCacheDurationMs: number;
  readonly apiVersion: string;
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly tokenAttributes: TokenAttributes | undefined;
}

/** The program is given a token of the pod's service account. */
export interface TokenAttributes {
  readonly serviceAccountTokenAudience: string;
  readonly cacheType: 'ServiceAccount' | 'Token';
  readonly requireServiceAccount: boolean;
  readonly requiredServiceAccountAnnotationKeys: readonly string[];
  readonly optionalServiceAccountAnnotationKeys: readonly string[];
}

const CONFIG_VERSIONS = ['v1', 'v1alpha1', 'v1beta1'].map(version => `kubelet.config.k8s.io/${version}`);
const API_VERSIONS = ['v1', 'v1alpha1', 'v1beta1'].map(version => `credentialprovider.kubelet.k8s.io/${version}`);
const TOKEN_API_VERSION = 'credentialprovider.kubelet.k8s.io/v1';
const CACHE_TYPES = ['ServiceAccount', 'Token'];

const PROVIDER_FIELDS = ['name', 'matchImages', 'defaultCacheDuration', 'apiVersion', 'args', 'env', 'tokenAttributes'];
const TOKEN_FIELDS = [
  'serviceAccountTokenAudience',
  'cacheType',
  'requireServiceAccount',
  'requiredServiceAccountAnnotationKeys',
  'optionalServiceAccountAnnotationKeys',
];

type Raw = Readonly<Record<string, unknown>>;

/**
 * Reads the parsed files in their order as one configuration.
 * @throws Error that names every wrong field
 */
export function readCredentialProviders(files: readonly { readonly path: string; readonly content: unknown }[]) {
  const raw = files.flatMap(({ path, content }) => providersOf(path, content));
  const errors: FieldError[] = [];
  const at = FieldPath.of('providers');
  if (raw.length === 0) errors.push(requiredError(at, 'at least 1 item in plugins is required'));
  const names = new Set<string>();
  const providers = raw.map((provider, index) => {
    const read = readProvider(provider, at.index(index), errors);
    if (names.has(read.name)) errors.push(duplicateError(at.index(index).child('name'), read.name));
    names.add(read.name);
    return read;
  });
  if (errors.length > 0) throw new Error(`failed to validate credential provider config: ${aggregateText(errors)}`);
  return providers;
}

function providersOf(path: string, content: unknown): Raw[] {
  const { apiVersion, kind, providers = [], ...others } = asRecord(content) ?? {};
  const wrong =
    kind !== 'CredentialProviderConfig'
      ? `kind must be CredentialProviderConfig, not ${JSON.stringify(kind)}`
      : !CONFIG_VERSIONS.includes(String(apiVersion))
        ? `apiVersion must be one of ${CONFIG_VERSIONS.join(', ')}, not ${JSON.stringify(apiVersion)}`
        : Object.keys(others).length > 0
          ? `unknown field "${Object.keys(others)[0]}"`
          : !Array.isArray(providers) || providers.some(provider => asRecord(provider) === undefined)
            ? 'providers must be a list of objects'
            : undefined;
  if (wrong !== undefined) throw new Error(`error decoding config "${path}": ${wrong}`);
  return providers as Raw[];
}

function readProvider(raw: Raw, at: FieldPath, errors: FieldError[]): CredentialProvider {
  noOthers(raw, PROVIDER_FIELDS, at, errors);
  const name = readText(raw, 'name', at, errors);
  if (name === '' || name.includes('/')) {
    errors.push(
      invalidError(at.child('name'), name, name === '' ? 'must not be empty' : "provider name cannot contain '/'"),
    );
  }
  if (name.includes(' ')) errors.push(invalidError(at.child('name'), name, 'provider name cannot contain spaces'));
  if (name === '.' || name === '..') {
    errors.push(invalidError(at.child('name'), name, `provider name cannot be '${name}'`));
  }
  const apiVersion = readText(raw, 'apiVersion', at, errors);
  if (apiVersion === '') errors.push(requiredError(at.child('apiVersion')));
  else if (!API_VERSIONS.includes(apiVersion)) {
    errors.push(notSupportedError(at.child('apiVersion'), apiVersion, API_VERSIONS));
  }
  const matchImages = readTexts(raw, 'matchImages', at, errors);
  if (matchImages.length === 0) {
    errors.push(requiredError(at.child('matchImages'), 'at least 1 item in matchImages is required'));
  }
  for (const pattern of matchImages) {
    if (/\s|:\/\//.test(pattern)) {
      errors.push(
        invalidError(at.child('matchImages'), pattern, 'match image is invalid: it must be HOST[:PORT][/PATH]'),
      );
    }
  }
  return {
    name,
    apiVersion,
    matchImages,
    defaultCacheDurationMs: readDuration(raw['defaultCacheDuration'], at.child('defaultCacheDuration'), errors),
    args: readTexts(raw, 'args', at, errors),
    env: readEnv(raw['env'], at.child('env'), errors),
    tokenAttributes: readTokenAttributes(raw['tokenAttributes'], apiVersion, at.child('tokenAttributes'), errors),
  };
}

function readDuration(value: unknown, at: FieldPath, errors: FieldError[]): number {
  if (value === undefined) errors.push(requiredError(at));
  const nanos = typeof value === 'string' ? parseDuration(value) : undefined;
  if (value !== undefined && nanos === undefined)
    errors.push(invalidError(at, value, 'must be a duration such as 10m'));
  if (nanos !== undefined && nanos < 0) errors.push(invalidError(at, value, 'must be greater than or equal to 0'));
  return (nanos ?? 0) / 1e6;
}

function readEnv(value: unknown, at: FieldPath, errors: FieldError[]): CredentialProvider['env'] {
  if (value === undefined || value === null) return [];
  const list = Array.isArray(value) ? value.map(asRecord) : [undefined];
  return list.flatMap((entry, index) => {
    if (typeof entry?.['name'] === 'string' && typeof entry['value'] === 'string') {
      return [{ name: entry['name'], value: entry['value'] }];
    }
    errors.push(invalidError(at.index(index), '', 'must have a name and a value, both text'));
    return [];
  });
}

function readTokenAttributes(
  value: unknown,
  apiVersion: string,
  at: FieldPath,
  errors: FieldError[],
): TokenAttributes | undefined {
  if (value === undefined || value === null) return undefined;
  const raw = asRecord(value) ?? {};
  noOthers(raw, TOKEN_FIELDS, at, errors);
  const audience = readText(raw, 'serviceAccountTokenAudience', at, errors);
  if (audience === '') errors.push(requiredError(at.child('serviceAccountTokenAudience')));
  const { requireServiceAccount } = raw;
  if (typeof requireServiceAccount !== 'boolean') errors.push(requiredError(at.child('requireServiceAccount')));
  if (apiVersion !== TOKEN_API_VERSION) {
    errors.push(forbiddenError(at, `tokenAttributes is only supported for ${TOKEN_API_VERSION} API version`));
  }
  const required = readKeys(raw, 'requiredServiceAccountAnnotationKeys', at, errors);
  const optional = readKeys(raw, 'optionalServiceAccountAnnotationKeys', at, errors);
  if (requireServiceAccount === false && required.length > 0) {
    const detail = 'requireServiceAccount cannot be false when requiredServiceAccountAnnotationKeys is set';
    errors.push(forbiddenError(at.child('requiredServiceAccountAnnotationKeys'), detail));
  }
  const both = required.filter(key => optional.includes(key)).sort();
  if (both.length > 0) errors.push(invalidError(at, both, 'annotation keys cannot be both required and optional'));
  const cacheType = readText(raw, 'cacheType', at, errors);
  if (cacheType === '') {
    const detail = `cacheType is required to be set when tokenAttributes is specified. Supported values are: ${CACHE_TYPES.join(', ')}`;
    errors.push(requiredError(at.child('cacheType'), detail));
  } else if (!CACHE_TYPES.includes(cacheType)) {
    errors.push(notSupportedError(at.child('cacheType'), cacheType, CACHE_TYPES));
  }
  return {
    serviceAccountTokenAudience: audience,
    cacheType: cacheType === 'Token' ? 'Token' : 'ServiceAccount',
    requireServiceAccount: requireServiceAccount === true,
    requiredServiceAccountAnnotationKeys: required,
    optionalServiceAccountAnnotationKeys: optional,
  };
}

function readKeys(raw: Raw, name: string, at: FieldPath, errors: FieldError[]): string[] {
  const keys = readTexts(raw, name, at, errors);
  keys.forEach((key, index) => {
    for (const problem of qualifiedName(key.toLowerCase())) errors.push(invalidError(at.child(name), key, problem));
    if (keys.indexOf(key) < index) errors.push(duplicateError(at.child(name), key));
  });
  return keys;
}

function noOthers(raw: Raw, fields: readonly string[], at: FieldPath, errors: FieldError[]): void {
  for (const key of Object.keys(raw)) {
    if (!fields.includes(key)) errors.push(forbiddenError(at.child(key), 'unknown field'));
  }
}

function readText(raw: Raw, name: string, at: FieldPath, errors: FieldError[]): string {
  const value = raw[name] ?? '';
  if (typeof value === 'string') return value;
  errors.push(invalidError(at.child(name), value, 'must be text'));
  return '';
}

function readTexts(raw: Raw, name: string, at: FieldPath, errors: FieldError[]): string[] {
  const value = raw[name] ?? [];
  if (Array.isArray(value) && value.every(item => typeof item === 'string')) return value;
  errors.push(invalidError(at.child(name), value, 'must be a list of texts'));
  return [];
}

function asRecord(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}
