/**
 * The node's own logins: the docker config files that an administrator put there. Read at each question, so nothing is restarted.
 *
 * Differs: a `config.json` without `auths` is none (the working directory may hold one of something else), and the search goes on.
 * Source: kubernetes.io/docs, "Configuring nodes to authenticate to a private registry"; `pkg/credentialprovider/config.go` 1.36.
 */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { parseDockerConfigJson, parseDockercfg, type RegistryLogin } from './plan/docker-config.ts';

/** The first file that holds logins decides. @param root the kubelet's */
export async function nodeLogins(root: string): Promise<readonly RegistryLogin[]> {
  const home = homedir();
  const jsonFolders = [root, process.cwd(), join(home, '.docker'), '/.docker'];
  for (const folder of jsonFolders) {
    const logins = await readLogins(join(folder, 'config.json'), parseDockerConfigJson);
    if (logins !== undefined) return logins;
  }
  for (const folder of [root, process.cwd(), home, '/']) {
    const logins = await readLogins(join(folder, '.dockercfg'), parseDockercfg);
    if (logins !== undefined) return logins;
  }
  return [];
}

async function readLogins(
  path: string,
  parse: (text: string) => RegistryLogin[] | undefined,
): Promise<RegistryLogin[] | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : parse(text);
}
