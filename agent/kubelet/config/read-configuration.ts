/**
 * Reads the kubelet's configuration: a file (YAML or JSON) and a directory of files that amend it.
 *
 * - Strict: a field that does not exist, a field twice, a value of the wrong type and a setting that we do not have are errors.
 * - Files of the directory end in `.conf` and count in the order of their names; a later one replaces what an earlier one said: maps
 *   field by field, lists whole. Source: KEP-3983.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CodecError, parseYaml } from '../../../machinery/meta/codec.ts';
import { checkObject, DecodeError, type Wanted } from '../../../machinery/meta/decode.ts';
import { isJsonObject, type JsonValue } from '../../../machinery/meta/json-value.ts';
import { applyMergePatch } from '../../../machinery/meta/merge-patch.ts';
import { nearestWord } from '../../../machinery/meta/nearest-word.ts';
import { schemaOf } from '../../../machinery/meta/schema-table.ts';
import { childSchema, type Schema } from '../../../machinery/meta/schema.ts';
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

const SCHEMA = schemaOf('kubelet/config/v1beta1', CONFIGURATION_KIND);
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
  try {
    // JSON is YAML.
    const { value, duplicateFields } = await parseYaml(text);
    const problems = duplicateFields.map(field => `${field}: the field stands there twice`);
    return checked(path, value, problems);
  } catch (error) {
    if (error instanceof DecodeError) throw new ConfigurationError(path, [wrongValue(error)]);
    if (error instanceof CodecError) throw new ConfigurationError(path, [error.message]);
    throw error;
  }
}

function checked(path: string, value: unknown, problems: string[]): JsonValue {
  const { apiVersion, kind } = isJsonObject(value) ? value : {};
  if (apiVersion !== CONFIGURATION_API_VERSION || kind !== CONFIGURATION_KIND) {
    const found = `found apiVersion ${JSON.stringify(apiVersion) ?? 'none'}, kind ${JSON.stringify(kind) ?? 'none'}`;
    throw new ConfigurationError(path, [
      `want apiVersion: ${CONFIGURATION_API_VERSION} and kind: ${CONFIGURATION_KIND}; ${found}`,
    ]);
  }
  const { value: decoded, unknownFields } = checkObject(SCHEMA, value, 'applied');
  problems.push(...unknownFields.map(unknownField));
  if (problems.length > 0) throw new ConfigurationError(path, problems);
  return decoded as JsonValue;
}

/** What a setting holds; other kinds are text. */
const WANTED: Partial<Record<Wanted, string>> = {
  int32: 'a whole number',
  int64: 'a whole number',
  float: 'a number',
  bool: 'true or false',
  duration: 'a time such as 30s or 5m',
  list: 'a list',
  map: 'a map',
  struct: 'a map',
};

function wrongValue({ path, wanted, message }: DecodeError): string {
  return `${path}: ${wanted === undefined ? message : `wants ${WANTED[wanted] ?? 'text; put it in quotes'}`}`;
}

function unknownField(path: string): string {
  const steps = path.split('.');
  const name = steps.pop() ?? '';
  const parent = steps.reduce<Schema>((schema, step) => {
    const field = childSchema(schema, step.replace(/\[\d+\]$/, ''));
    return field.kind === 'list' ? field.items : field;
  }, SCHEMA);
  const meant = parent.kind === 'struct' ? nearestWord(name, [...parent.fields.keys()]) : undefined;
  return `${path}: unknown field${meant === undefined ? '' : `; did you mean ${meant}?`}`;
}
