/**
 * Reads the kubelet's configuration: a file (YAML or JSON) and a directory of files that amend it.
 *
 * - Strict: a field that does not exist, a field twice, a value of the wrong type and a setting that we do not have are errors.
 * - Files of the directory end in `.conf` and count in the order of their names; a later one replaces what an earlier one said: maps
 *   field by field, lists whole. Source: KEP-3983.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JsonValue } from '../../../machinery/meta/json-value.ts';
import { applyMergePatch } from '../../../machinery/meta/merge-patch.ts';
import { schemaOf } from '../../../machinery/meta/schema-table.ts';
import { readStrictDocument } from '../../../machinery/meta/strict-document.ts';
import { unsupportedSettings } from './plan/configuration-support.ts';
import {
  CONFIGURATION_API_VERSION,
  CONFIGURATION_KIND,
  withDefaults,
  type ConfigurationFile,
} from './plan/kubelet-configuration.ts';
import { validateConfiguration } from './plan/validate-configuration.ts';

/** The configuration cannot be used. The message names the file and everything that is wrong, a line each. */
export class ConfigurationError extends Error {
  constructor(file: string, problems: readonly string[]) {
    super(`The kubelet configuration ${file} cannot be used:\n${problems.map(problem => `  ${problem}`).join('\n')}`);
    this.name = 'ConfigurationError';
  }
}

const DOCUMENT = {
  apiVersion: CONFIGURATION_API_VERSION,
  kind: CONFIGURATION_KIND,
  schema: schemaOf('kubelet/config/v1beta1', CONFIGURATION_KIND),
};
const DROP_IN_ENDING = '.conf';

/**
 * What the files say together; empty when none is given.
 *
 * @param file path of the configuration
 * @param dropInFolder path of the directory that amends it
 * @throws ConfigurationError
 */
export async function readConfiguration(
  file: string | undefined,
  dropInFolder?: string | undefined,
): Promise<ConfigurationFile> {
  const paths = [...(file === undefined ? [] : [file]), ...(await dropInsOf(dropInFolder))];
  let merged: JsonValue = {};
  for (const path of paths) merged = applyMergePatch(merged, await readOne(path));
  const configuration = merged as unknown as ConfigurationFile;
  const problems = [...unsupportedSettings(configuration), ...validateConfiguration(withDefaults(configuration))];
  if (problems.length > 0) throw new ConfigurationError(paths.join(' with '), problems.map(String));
  return configuration;
}

async function dropInsOf(folder: string | undefined): Promise<string[]> {
  if (folder === undefined) return [];
  try {
    const names = await readdir(folder);
    return names
      .filter(name => name.endsWith(DROP_IN_ENDING))
      .sort()
      .map(name => join(folder, name));
  } catch (error) {
    throw new ConfigurationError(folder, [(error as Error).message]);
  }
}

async function readOne(path: string): Promise<JsonValue> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new ConfigurationError(path, [(error as Error).message]);
  }
  const { value, problems } = await readStrictDocument(text, DOCUMENT);
  if (problems.length > 0) throw new ConfigurationError(path, problems);
  return value;
}
