/**
 * Which logins fit an image, in the order in which they are tried: keys in reverse order of their text, so that of two keys of a registry
 * the one with the longer path comes first.
 * Source: kubernetes.io/docs, "Pull an Image from a Private Registry"; `pkg/credentialprovider/{keyring.go,secrets}` 1.36.
 */
import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { Secret } from '../../../../proto/api/core-v1.ts';
import { parseDockerConfigJson, parseDockercfg, type RegistryLogin } from './docker-config.ts';
import { repositoryOf, type ImageName } from './image-name.ts';
import { registryMatches } from './registry-match.ts';

/** Where a login came from: who else may use what was pulled with it depends on that. */
export type CredentialSource =
  { readonly kind: 'node' } | ({ readonly kind: 'secret' | 'serviceAccount' } & ObjectCoordinates);

/** Which object of the API. */
export interface ObjectCoordinates {
  readonly uid: string;
  readonly namespace: string;
  readonly name: string;
}

/** One way to log in. */
export interface ImageCredential {
  readonly login: RegistryLogin;
  readonly source: CredentialSource;
}

/** Logins of one source. */
export interface LoginSource {
  readonly source: CredentialSource;
  readonly logins: readonly RegistryLogin[];
}

/** Where Docker Hub's logins lie by tradition. */
const DOCKER_HUB_KEY = 'index.docker.io';

/** Of the sources together: the best key first, and for one key in the order of the sources. */
export function credentialsFor(name: ImageName, sources: readonly LoginSource[]): ImageCredential[] {
  const all = sources.flatMap(({ source, logins }) => logins.map(login => ({ login, source })));
  const matching = all.filter(({ login }) => registryMatches(login.pattern, repositoryOf(name)));
  if (matching.length === 0 && name.domain === 'docker.io') {
    return all.filter(({ login }) => login.pattern === DOCKER_HUB_KEY);
  }
  return matching.sort((a, b) => (a.login.pattern < b.login.pattern ? 1 : a.login.pattern > b.login.pattern ? -1 : 0));
}

/** The logins of a pull secret; undefined when it holds none that can be read. */
export function secretLogins(secret: Secret): LoginSource | undefined {
  const { uid = '', namespace = '', name = '' } = secret.metadata;
  const decode = (key: string): string => Buffer.from(secret.data?.[key] ?? '', 'base64').toString();
  const logins =
    secret.type === 'kubernetes.io/dockerconfigjson'
      ? parseDockerConfigJson(decode('.dockerconfigjson'))
      : secret.type === 'kubernetes.io/dockercfg'
        ? parseDockercfg(decode('.dockercfg'))
        : undefined;
  return logins === undefined ? undefined : { source: { kind: 'secret', uid, namespace, name }, logins };
}

/** What stands for a login in the records of pulls: the digest of upstream's JSON of it. */
export function credentialHash({ username, password, email, identityToken, registryToken }: RegistryLogin): string {
  const fields = { username, password, email, identitytoken: identityToken, registrytoken: registryToken };
  const given = Object.entries(fields).filter(([, value]) => value !== '');
  // Go writes these as escapes in JSON.
  const json = JSON.stringify(Object.fromEntries(given)).replace(/[<>&\u2028\u2029]/g, char => {
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
  return createHash('sha256').update(json).digest('hex');
}
