/** Reads the configuration of credential providers from a file, or from every .json, .yaml and .yml of a folder in order of their names. */
import { access, constants, readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { errorText } from '../../../machinery/meta/error-text.ts';
import { readCredentialProviders, type CredentialProvider } from './plan/credential-provider-config.ts';

const ENDINGS = ['.json', '.yaml', '.yml'];

/**
 * @param configPath `--image-credential-provider-config`
 * @param binDir `--image-credential-provider-bin-dir`, where the programs lie
 * @throws Error in words: what is missing, cannot be read or is wrong
 */
export async function loadCredentialProviders(configPath: string, binDir: string): Promise<CredentialProvider[]> {
  if (!(await stat(binDir).catch(() => undefined))?.isDirectory()) {
    throw new Error(`plugin binary directory ${binDir} did not exist`);
  }
  const files = await Promise.all((await filesOf(configPath)).map(readConfig));
  const providers = readCredentialProviders(files);
  for (const { name } of providers) {
    const path = join(binDir, name);
    const isProgram = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (!isProgram) throw new Error(`plugin binary executable ${path} did not exist, or may not be executed`);
  }
  return providers;
}

async function filesOf(path: string): Promise<string[]> {
  const found = await stat(path).catch((error: unknown) => {
    throw new Error(`unable to access path "${path}": ${errorText(error)}`, { cause: error });
  });
  if (!found.isDirectory()) return [path];
  const entries = await readdir(path, { withFileTypes: true });
  const names = entries.filter(entry => !entry.isDirectory() && ENDINGS.includes(extname(entry.name)));
  if (names.length === 0) throw new Error(`no configuration files found in directory "${path}"`);
  return names
    .map(({ name }) => name)
    .sort()
    .map(name => join(path, name));
}

async function readConfig(path: string): Promise<{ path: string; content: unknown }> {
  const { parse } = await import('yaml');
  try {
    // YAML is a superset of JSON. Errors quote nothing of the file: variables in it may be secret.
    return { path, content: parse(await readFile(path, 'utf8'), { version: '1.1', prettyErrors: false }) };
  } catch (error) {
    throw new Error(`error decoding config "${path}": ${errorText(error)}`, { cause: error });
  }
}
