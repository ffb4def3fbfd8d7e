/**
 * A container's environment: service links, then envFrom, then env; the later wins, and each may refer to those before it.
 * Source: kubernetes 1.36 `pkg/kubelet/kubelet_pods.go`, makeEnvironmentVariables.
 */
import { Buffer } from 'node:buffer';
import type { ConfigMap, Container, EnvVar, FileKeySelector, Pod, Secret } from '../../../proto/api/core-v1.ts';
import { EnvFileError, envFileValue } from './env-file.ts';
import { expand } from './expand.ts';
import { fieldValue, resourceFieldValue, type FieldContext } from './field-ref.ts';
import type { ResourceAmounts } from '../../../machinery/meta/pod-resources.ts';

/** What the environment is made from beside the spec. */
export interface EnvironmentSources extends FieldContext {
  readonly allocatable: ResourceAmounts;
  readonly serviceEnv: ReadonlyMap<string, string>;
  /** By name; one that is not in here does not exist. */
  readonly configMaps: ReadonlyMap<string, ConfigMap>;
  readonly secrets: ReadonlyMap<string, Secret>;
  /** Texts of files by `envFileKey`; one that is not in here does not exist. */
  readonly files: ReadonlyMap<string, string>;
}

/** Names a file of variables in a volume. */
export function envFileKey({ volumeName, path }: FileKeySelector): string {
  return `${volumeName}/${path}`;
}

/** A reference that cannot be resolved: the container waits with `CreateContainerConfigError` and this text. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

/** What the container refers to and must be fetched before `containerEnvironment` can run. */
export interface EnvironmentReferences {
  readonly configMaps: readonly string[];
  readonly secrets: readonly string[];
}

export function environmentReferences(container: Container): EnvironmentReferences {
  const configMaps = new Set<string>();
  const secrets = new Set<string>();
  for (const from of container.envFrom ?? []) {
    if (from.configMapRef?.name !== undefined) configMaps.add(from.configMapRef.name);
    if (from.secretRef?.name !== undefined) secrets.add(from.secretRef.name);
  }
  for (const { valueFrom } of container.env ?? []) {
    if (valueFrom?.configMapKeyRef?.name !== undefined) configMaps.add(valueFrom.configMapKeyRef.name);
    if (valueFrom?.secretKeyRef?.name !== undefined) secrets.add(valueFrom.secretKeyRef.name);
  }
  return { configMaps: [...configMaps], secrets: [...secrets] };
}

/** What came out. */
export interface Environment {
  readonly variables: ReadonlyMap<string, string>;
  /** Keys of envFrom that are no variable names, one sentence a source: an event tells them. */
  readonly skipped: readonly string[];
}

/** Since 1.34 any printable ASCII but `=` is a name. */
const ENV_NAME = /^[ -<>-~]+$/;

/** @throws ConfigError */
export function containerEnvironment(pod: Pod, container: Container, sources: EnvironmentSources): Environment {
  const variables = new Map<string, string>();
  const skipped: string[] = [];
  const namespace = pod.metadata.namespace ?? '';
  for (const from of container.envFrom ?? []) {
    const prefix = from.prefix ?? '';
    const ref = from.configMapRef ?? from.secretRef;
    if (ref === undefined) continue;
    const name = ref.name ?? '';
    const isMap = from.configMapRef !== undefined;
    const data = isMap ? sources.configMaps.get(name)?.data : secretTexts(sources.secrets.get(name));
    const exists = isMap ? sources.configMaps.has(name) : sources.secrets.has(name);
    if (!exists) {
      if (ref.optional === true) continue;
      throw new ConfigError(`${isMap ? 'configmap' : 'secret'} "${name}" not found`);
    }
    const bad: string[] = [];
    for (const [key, value] of Object.entries(data ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (ENV_NAME.test(prefix + key)) variables.set(prefix + key, value);
      else bad.push(key);
    }
    if (bad.length > 0) {
      const source = `${isMap ? 'configMap' : 'secret'} ${namespace}/${name}`;
      skipped.push(
        `Keys [${bad.join(', ')}] from the EnvFrom ${source} were skipped since they are considered invalid environment variable names.`,
      );
    }
  }
  // Values of env may refer to service links and envFrom; what env sets hides both.
  const lookup = (name: string): string | undefined => variables.get(name) ?? sources.serviceEnv.get(name);
  for (const variable of container.env ?? []) {
    const value = valueOf(pod, container, variable, sources, lookup);
    if (value !== undefined) variables.set(variable.name, value);
  }
  for (const [name, value] of sources.serviceEnv) if (!variables.has(name)) variables.set(name, value);
  return { variables, skipped };
}

function valueOf(
  pod: Pod,
  container: Container,
  variable: EnvVar,
  sources: EnvironmentSources,
  lookup: (name: string) => string | undefined,
): string | undefined {
  const from = variable.valueFrom;
  if (from === undefined) return expand(variable.value ?? '', lookup);
  if (from.fieldRef !== undefined) {
    const value = fieldValue(pod, from.fieldRef.fieldPath, sources);
    if (value === undefined) throw new ConfigError(`unsupported fieldPath: ${from.fieldRef.fieldPath}`);
    return value;
  }
  if (from.resourceFieldRef !== undefined) {
    const wanted = from.resourceFieldRef.containerName;
    const target = wanted === undefined || wanted === '' ? container : named(pod, wanted);
    const value = target && resourceFieldValue(target, from.resourceFieldRef, sources.allocatable);
    if (value === undefined) throw new ConfigError(`unsupported resourceFieldRef: ${from.resourceFieldRef.resource}`);
    return value;
  }
  if (from.configMapKeyRef !== undefined) {
    const { name = '', key, optional } = from.configMapKeyRef;
    return fromKey(
      'configmap',
      pod,
      name,
      key,
      optional,
      sources.configMaps.has(name),
      sources.configMaps.get(name)?.data,
    );
  }
  if (from.secretKeyRef !== undefined) {
    const { name = '', key, optional } = from.secretKeyRef;
    const secret = sources.secrets.get(name);
    return fromKey('secret', pod, name, key, optional, secret !== undefined, secretTexts(secret));
  }
  return from.fileKeyRef === undefined ? undefined : fromFile(from.fileKeyRef, sources.files);
}

/** An empty value counts as none, as upstream. */
function fromFile(reference: FileKeySelector, files: ReadonlyMap<string, string>): string | undefined {
  const { path, key, optional } = reference;
  const text = files.get(envFileKey(reference));
  if (text === undefined && optional !== true) throw new ConfigError(`environment variable file "${path}" not found`);
  const value = text === undefined ? '' : valueInFile(text, key, path);
  if (value !== '') return value;
  if (optional === true) return undefined;
  throw new ConfigError(`environment variable key "${key}" not found in file "${path}"`);
}

function valueInFile(text: string, key: string, path: string): string {
  try {
    return envFileValue(text, key) ?? '';
  } catch (error) {
    if (!(error instanceof EnvFileError)) throw error;
    throw new ConfigError(`failed to parse environment variable file "${path}": ${error.message}`, { cause: error });
  }
}

function fromKey(
  kind: 'configmap' | 'secret',
  pod: Pod,
  name: string,
  key: string,
  optional: boolean | undefined,
  exists: boolean,
  data: Readonly<Record<string, string>> | undefined,
): string | undefined {
  const value = data !== undefined && Object.hasOwn(data, key) ? data[key] : undefined;
  if (value !== undefined || optional === true) return value;
  if (!exists) throw new ConfigError(`${kind} "${name}" not found`);
  const what = kind === 'configmap' ? 'ConfigMap' : 'Secret';
  throw new ConfigError(`couldn't find key ${key} in ${what} ${pod.metadata.namespace ?? ''}/${name}`);
}

function named(pod: Pod, name: string): Container | undefined {
  return [...pod.spec.containers, ...(pod.spec.initContainers ?? [])].find(container => container.name === name);
}

function secretTexts(secret: Secret | undefined): Record<string, string> | undefined {
  if (secret === undefined) return undefined;
  const entries = Object.entries(secret.data ?? {}).map(([key, value]) => [
    key,
    Buffer.from(value, 'base64').toString(),
  ]);
  return Object.fromEntries([...entries, ...Object.entries(secret.stringData ?? {})]) as Record<string, string>;
}
