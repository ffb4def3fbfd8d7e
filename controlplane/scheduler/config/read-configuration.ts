/**
 * Reads the scheduler's configuration: a `KubeSchedulerConfiguration`, YAML or JSON.
 *
 * Strict: a field that does not exist, a field twice, a value of the wrong type, a plugin that does not exist and a setting that we do not
 * have are errors, told with the path of the field.
 */
import { readFile } from 'node:fs/promises';
import { schemaOf } from '../../../machinery/meta/schema-table.ts';
import { checkStrictly, readStrictDocument, type DocumentKind } from '../../../machinery/meta/strict-document.ts';
import type { KubeSchedulerConfiguration } from '../../../proto/api/kube-scheduler-config-v1.ts';
import { DEFAULT_PLUGINS } from './plan/default-plugins.ts';
import { unsupportedSettings } from './plan/lacks.ts';
import {
  CONFIGURATION_API_VERSION,
  CONFIGURATION_KIND,
  isConfigurable,
  settingsOf,
  withDefaults,
  type SchedulerSettings,
} from './plan/settings.ts';
import { validateConfiguration } from './plan/validate-configuration.ts';

/** The configuration cannot be used. The message names the file and everything that is wrong, a line each. */
export class ConfigurationError extends Error {
  constructor(file: string, problems: readonly string[]) {
    super(
      `The scheduler's configuration ${file} cannot be used:\n${problems.map(problem => `  ${problem}`).join('\n')}`,
    );
    this.name = 'ConfigurationError';
  }
}

const PACKAGE = 'kube-scheduler/config/v1';

const DOCUMENT: DocumentKind = {
  apiVersion: CONFIGURATION_API_VERSION,
  kind: CONFIGURATION_KIND,
  schema: schemaOf(PACKAGE, CONFIGURATION_KIND),
  form: 'stored',
  hint: (apiVersion, kind) => {
    if (kind === 'Policy') return 'policies went with Kubernetes 1.23; say it with profiles and extenders';
    const isOld = /^kubescheduler\.config\.k8s\.io\/v1(alpha|beta)\d+$/.test(String(apiVersion));
    return isOld
      ? 'versions before v1 went with Kubernetes 1.29; most files need nothing but the new apiVersion'
      : undefined;
  },
};

/**
 * @param file path of the configuration
 * @param ownPlugins names of the user's own plugins
 * @throws ConfigurationError
 */
export async function readConfiguration(file: string, ownPlugins: Iterable<string> = []): Promise<SchedulerSettings> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new ConfigurationError(file, [(error as Error).message]);
  }
  const { value, problems } = await readStrictDocument(text, DOCUMENT);
  const configuration = (value ?? {}) as KubeSchedulerConfiguration;
  const wrong = [...problems, ...(problems.length > 0 ? [] : argumentProblems(configuration))];
  if (wrong.length > 0) throw new ConfigurationError(file, wrong);
  const known = new Set([...DEFAULT_PLUGINS.map(({ name }) => name), ...ownPlugins]);
  const whole = withDefaults(configuration);
  const errors = [...unsupportedSettings(configuration), ...validateConfiguration(whole, known)];
  if (errors.length > 0) throw new ConfigurationError(file, errors.map(String));
  return settingsOf(whole);
}

/** The arguments of a plugin are a document of their own, whose type comes from the plugin's name. */
function argumentProblems({ profiles = [] }: KubeSchedulerConfiguration): string[] {
  return profiles.flatMap(({ pluginConfig = [] }, i) =>
    pluginConfig.flatMap(({ name, args }, j) => {
      if (!isConfigurable(name) || args === undefined || args === null) return [];
      const path = `profiles[${i}].pluginConfig[${j}].args`;
      const { value, problems } = checkStrictly(schemaOf(PACKAGE, `${name}Args`), args, { at: path });
      const { apiVersion, kind } = (value ?? {}) as { apiVersion?: unknown; kind?: unknown };
      if (kind !== undefined && kind !== `${name}Args`)
        return [...problems, `${path}.kind: args for plugin ${name} were not of type ${name}Args, got ${String(kind)}`];
      if (apiVersion !== undefined && apiVersion !== CONFIGURATION_API_VERSION)
        return [...problems, `${path}.apiVersion: want ${CONFIGURATION_API_VERSION}, found ${String(apiVersion)}`];
      return [...problems];
    }),
  );
}
